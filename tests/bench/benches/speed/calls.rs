//! The overhead of a session for a successful call.

use mcp_reauth_rmcp::ReauthClient;
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpClientTransportConfig,
};
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::json;

use crate::Effort;
use crate::bare::{ByHand, Call};
use crate::pairs::{Ratio, compare, micros, timed};
use crate::report::Report;
use crate::stage::{Stage, http_client, one_thread};

pub(crate) fn measure(report: &mut Report, effort: Effort) {
    let stage = Stage::new();
    one_thread().block_on(async {
        let session = stage.signed_in(|builder| builder).await;
        let by_hand = ByHand::from(stage.signed_in(|builder| builder).await).await;
        let (plain, through) = (Call::new(&stage.mcp_url), Call::new(&stage.mcp_url));
        let same = compare(
            effort,
            async || by_hand.call(&plain).await,
            async || timed(through.send_through(&session)).await.1,
        );
        row(report, "a POST through the session / bare", &same.await);

        let token = session.authorization().unwrap();
        let token = token.header_value().trim_start_matches("Bearer ");
        let config = StreamableHttpClientTransportConfig::with_uri(session.server());
        let with_token = config.clone().auth_header(token);
        let bare = connect(http_client(), with_token.clone()).await;
        let ours = ReauthClient::new(session.clone()).unwrap();
        let ours = connect(ours, config).await;
        let same = compare(
            effort,
            async || timed(call(&bare)).await.1,
            async || timed(call(&ours)).await.1,
        );
        row(
            report,
            "an rmcp call through the session / bare",
            &same.await,
        );

        // rmcp's default client opens a connection for every call.
        let unpooled = reqwest::Client::builder().pool_max_idle_per_host(0);
        let unpooled = connect(unpooled.build().unwrap(), with_token).await;
        let same = compare(
            effort,
            async || timed(call(&unpooled)).await.1,
            async || timed(call(&ours)).await.1,
        );
        let ratio = same.await;
        report.noted("the same / rmcp's default client", ratio.to_string());
    });
}

fn row(report: &mut Report, what: &str, ratio: &Ratio) {
    report.aimed(what, ratio.median, 1.02, "", ratio.to_string());
    let (base, other) = (micros(ratio.slow.0), micros(ratio.slow.1));
    println!("    one in a hundred takes {other:.0} us against {base:.0} us");
}

type Client = RunningService<RoleClient, ClientConfig>;

async fn connect<C>(client: C, config: StreamableHttpClientTransportConfig) -> Client
where
    C: StreamableHttpClient + Send + Sync + 'static,
{
    let transport = StreamableHttpClientTransport::with_client(client, config);
    let lifecycle = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    let config = ClientConfig::default();
    let client = config.serve_with_lifecycle(transport, lifecycle).await;
    client.unwrap()
}

async fn call(client: &Client) {
    let arguments = json!({ "text": "hello" }).as_object().cloned().unwrap();
    let params = CallToolRequestParams::new("echo").with_arguments(arguments);
    let result = client.call_tool(params).await.unwrap();
    assert_ne!(result.is_error, Some(true));
}
