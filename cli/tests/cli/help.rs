//! The texts of `--help`.

use crate::support::Program;

const CONNECT: [&str; 30] = [
    "--store <FILE>",
    "--profile <NAME>",
    "--scope <SCOPE>",
    "--client-id <ID>",
    "--client-secret <SECRET>",
    "--client-secret-file <FILE>",
    "--client-auth <METHOD>",
    "--client-issuer <ISSUER>",
    "--client-credentials",
    "--client-metadata-url <URL>",
    "--private-key <FILE>",
    "--workload-token-file <FILE>",
    "--ema ",
    "--idp <ISSUER>",
    "--idp-client-id <ID>",
    "--idp-client-secret <SECRET>",
    "--idp-client-secret-file <FILE>",
    "--idp-private-key <FILE>",
    "--ask-step-up",
    "--dpop",
    "--push-requests",
    "MCP_REAUTH_IDP=",
    "MCP_REAUTH_IDP_CLIENT_SECRET",
    "--callback-url <URL>",
    "--no-browser",
    "--no-resource",
    "-y, --yes",
    "--protocol <VERSION>",
    "MCP_REAUTH_CLIENT_SECRET",
    "http://127.0.0.1:6276/oauth/callback",
];

#[tokio::test]
async fn each_command_tells_its_options() {
    let own: [(&str, &[&str], bool); 9] = [
        ("demo", &["--json", "--browser"], false),
        (
            "list",
            &["<URL>", "tools", "resources", "prompts", "--json"],
            true,
        ),
        (
            "call",
            &[
                "<URL>",
                "<TOOL>",
                "--arg <NAME=VALUE>",
                "--args <JSON>",
                "--timeout <SECONDS>",
                "--json",
            ],
            true,
        ),
        ("login", &["<URL>", "--force", "--json"], true),
        (
            "status",
            &[
                "[URL]",
                "--idp <ISSUER>",
                "--json",
                "--store <FILE>",
                "--profile <NAME>",
            ],
            false,
        ),
        (
            "logout",
            &[
                "[URL]",
                "--idp <ISSUER>",
                "--store <FILE>",
                "--profile <NAME>",
            ],
            false,
        ),
        (
            "challenge",
            &["--status <STATUS>", "-H, --header <LINE>"],
            false,
        ),
        (
            "examine",
            &[
                "-- <COMMAND>...",
                "--only <NAME>",
                "--list",
                "--json",
                "--timeout <SECONDS>",
                "--protocol <VERSION>",
                "Exit codes",
            ],
            false,
        ),
        ("serve-fixture", &["--config <FILE>", "--json"], false),
    ];
    for (command, options, connects) in own {
        let ended = Program::new([command, "--help"]).run().await.succeeded();
        assert_eq!(ended.stderr, "", "{command}");
        let connect = if connects { &CONNECT[..] } else { &[] };
        for option in options.iter().chain(connect) {
            assert!(
                ended.stdout.contains(option),
                "{command}: no {option} in {}",
                ended.stdout
            );
        }
    }
}

#[tokio::test]
async fn the_program_tells_its_commands_and_its_version() {
    let ended = Program::new(["--help"]).run().await.succeeded();
    for command in [
        "demo",
        "list",
        "call",
        "login",
        "status",
        "logout",
        "challenge",
        "examine",
        "serve-fixture",
    ] {
        let line = format!("\n  {command} ");
        assert!(
            ended.stdout.contains(&line),
            "no {command} in {}",
            ended.stdout
        );
    }
    let ended = Program::new(["--version"]).run().await.succeeded();
    ended.printed(concat!("mcp-reauth ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[tokio::test]
async fn without_a_command_or_with_a_wrong_one_it_is_a_usage_error() {
    let nothing: [&str; 0] = [];
    Program::new(nothing)
        .run()
        .await
        .failed(2, "Usage: mcp-reauth");
    Program::new(["sing"]).run().await.failed(2, "sing");
    Program::new(["demo", "--loudly"])
        .run()
        .await
        .failed(2, "--loudly");
}

#[tokio::test]
async fn a_secret_in_the_environment_is_shown_nowhere() {
    let secret = "hush-1c6b6e3f".to_owned();
    for command in ["list", "call", "login", "status", "logout"] {
        for args in [&["--help"][..], &[], &["--no-such-option"]] {
            Program::new([command])
                .args(args)
                .env("MCP_REAUTH_CLIENT_SECRET", &secret)
                .env("MCP_REAUTH_IDP_CLIENT_SECRET", &secret)
                .env("MCP_REAUTH_CLIENT_ID", "a-client")
                .run()
                .await
                .hides(std::slice::from_ref(&secret));
        }
    }
}
