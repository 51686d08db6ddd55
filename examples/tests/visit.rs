//! The user's browser in the tests: requests an address and follows redirects.

#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).expect("an address");
    let answer = reqwest::get(url).await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
}
