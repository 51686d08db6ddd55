//! A terminal program: it asks on the terminal, opens the browser, and keeps its credentials in a file.
//!
//! ```console
//! $ cargo run -p mcp-reauth-examples --bin terminal -- https://mcp.example.com/mcp
//! ```

use std::error::Error;

use mcp_reauth::loopback::TerminalHost;
use mcp_reauth::{AuthSession, FileStore};
use mcp_reauth_rmcp::ReauthClient;
use rmcp::ServiceExt;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).ok_or("usage: terminal SERVER")?;
    let session = AuthSession::builder(server)
        .client_name("Terminal example")
        .store(FileStore::new("credentials.json"))
        .host(TerminalHost::default())
        .open()
        .await?;

    let config = StreamableHttpClientTransportConfig::with_uri(session.server());
    let http = ReauthClient::new(session.clone())?;
    let transport = StreamableHttpClientTransport::with_client(http, config);
    let client = ().serve(transport).await?;
    for tool in client.list_all_tools().await? {
        println!("{}", tool.name);
    }
    client.cancel().await?;
    // Waits until a pending token is stored.
    session.settle().await;
    Ok(())
}
