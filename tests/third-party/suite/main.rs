//! The program against a certified authorization server (oidc-provider) and an MCP server with the official packages,
//! with a user who reads pages and fills in forms. `matrix` has nine situations with many other servers.

mod bound;
mod machines;
mod matrix;
mod preregistered;
mod renewal;
mod scopes;
mod sign_in;
mod sign_out;
mod support;
