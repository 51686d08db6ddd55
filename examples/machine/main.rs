//! A program without a user: it authenticates as a client, with a secret.
//!
//! ```console
//! $ export CLIENT_ID=nightly CLIENT_SECRET=... ISSUER=https://login.example.com
//! $ cargo run -p mcp-reauth-examples --bin machine -- https://mcp.example.com/mcp
//! ```

use std::env::var;
use std::error::Error;

use mcp_reauth::{AuthSession, Client, Credentials, Secret};
use mcp_reauth_rmcp::ReauthClient;
use rmcp::ServiceExt;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).ok_or("usage: machine SERVER")?;
    // The secret is sent only to this issuer, whatever the MCP server says.
    let client = Client::secret(var("CLIENT_ID")?, Secret::new(var("CLIENT_SECRET")?))
        .at_issuer(var("ISSUER")?);
    let session = AuthSession::builder(server)
        .credentials(Credentials::client_credentials(client))
        .on_event(|event| eprintln!("{event}"))
        .open()
        .await?;

    let config = StreamableHttpClientTransportConfig::with_uri(session.server());
    let http = ReauthClient::new(session)?;
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let client = ().serve(transport).await?;
    for tool in client.list_all_tools().await? {
        println!("{}", tool.name);
    }
    client.cancel().await?;
    Ok(())
}
