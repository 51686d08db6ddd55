//! What the SDK leaves to its host: registering, showing pages, and passing on the callback.

use rmcp::transport::auth::{AuthClient, AuthorizationCallback, AuthorizationManager};

use crate::Result;
use crate::store::FileStore;

const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

pub(crate) struct Host {
    pub(crate) http: AuthClient<reqwest::Client>,
    browser: reqwest::Client,
}

impl Host {
    pub(crate) async fn open(url: &str, folder: &str) -> Result<Self> {
        let mut manager = AuthorizationManager::new(url).await?;
        manager.set_credential_store(FileStore::new(folder));
        manager.initialize_from_store().await?;
        let no_redirects = reqwest::redirect::Policy::none();
        let browser = reqwest::Client::builder()
            .no_proxy()
            .redirect(no_redirects)
            .build()?;
        Ok(Self {
            http: AuthClient::new(reqwest::Client::new(), manager),
            browser,
        })
    }

    /// Signs in after a 401, as the client that is registered, or as a new one.
    pub(crate) async fn sign_in(&self, challenge: &str) -> Result<()> {
        let mut manager = self.http.auth_manager.lock().await;
        let found = manager
            .resolve_metadata_from_challenge(Some(challenge))
            .await?;
        manager.set_metadata(found.metadata);
        let scopes = manager.select_initial_scopes(&[]).await;
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let config = manager
            .register_client("peer", REDIRECT_URI, &scopes)
            .await?;
        manager.configure_client(config)?;
        let page = manager.get_authorization_url(&scopes).await?;
        self.visit(&manager, &page).await
    }

    /// Authorizes again for more scope after a 403.
    pub(crate) async fn step_up(&self, scope: &str) -> Result<()> {
        let manager = self.http.auth_manager.lock().await;
        let page = manager.request_scope_upgrade(scope).await?;
        self.visit(&manager, &page).await?;
        manager.reset_scope_upgrade_attempts().await;
        Ok(())
    }

    async fn visit(&self, manager: &AuthorizationManager, page: &str) -> Result<()> {
        let page = self.browser.get(page).send().await?;
        let location = page
            .headers()
            .get("location")
            .ok_or("the page does not redirect")?;
        let callback = AuthorizationCallback::from_redirect_url(location.to_str()?)?;
        let issuer = callback.issuer.as_deref();
        manager
            .exchange_code_for_token_with_issuer(&callback.code, &callback.csrf_token, issuer)
            .await?;
        Ok(())
    }
}
