//! The program against a certified authorization server (oidc-provider) and an MCP server by the official packages,
//! with a person who reads pages and fills in forms. `matrix` has nine situations at servers by many others.

mod bound;
mod machines;
mod matrix;
mod preregistered;
mod renewal;
mod scopes;
mod sign_in;
mod sign_out;
mod support;
