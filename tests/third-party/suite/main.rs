//! The program against a certified authorization server (oidc-provider) and an MCP server by the official packages,
//! with a person who reads pages and fills in forms.

mod bound;
mod machines;
mod preregistered;
mod renewal;
mod scopes;
mod sign_in;
mod sign_out;
mod support;
