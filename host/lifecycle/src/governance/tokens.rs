//! Access tokens: made, listed, checked, revoked.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use modelyard_catalog::{Order, Query, Ref};
use modelyard_clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{Actor, Governance, Role, Token};
use crate::{Code, Error, Result, names};

/// A token as it is shown, once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// `my_…`: send it as `Authorization: Bearer my_…`. It is not kept and
    /// can't be shown again.
    pub token: String,
}

/// The tokens in memory, by their hashes: every request is held to them, and
/// none waits for the database.
#[derive(Default)]
pub(crate) struct Tokens(ArcSwap<HashMap<String, Token>>);

impl Tokens {
    fn change(&self, change: impl Fn(&mut HashMap<String, Token>)) {
        self.0.rcu(|tokens| {
            let mut tokens = HashMap::clone(tokens);
            change(&mut tokens);
            tokens
        });
    }
}

impl Governance<'_> {
    /// Reads the tokens into memory.
    pub(crate) async fn restore_tokens(&self) -> Result<()> {
        let tokens: Vec<Token> = self.0.catalog.table().all(Query::new()).await?;
        let by_hash = tokens.into_iter().map(|token| (token.hash.clone(), token)).collect();
        self.0.tokens.0.store(std::sync::Arc::new(by_hash));
        Ok(())
    }

    /// Makes a token.
    pub async fn create_token(
        &self,
        actor: &Actor,
        name: &str,
        role: Role,
        expires_at: Option<Timestamp>,
    ) -> Result<NewToken> {
        names::check("name", name)?;
        // From the first token on one is needed; without an admin nobody could make another.
        if role != Role::Admin && self.tokens().await?.iter().all(|token| token.role != Role::Admin) {
            return Err(Error::field("role", "the first token must have the role admin"));
        }
        let secret = format!("my_{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let token = Token {
            name: name.to_owned(),
            hash: hash(&secret),
            role,
            created_at: self.0.clock.now(),
            expires_at,
        };
        self.0
            .change(actor, "governance.token.created", Ref::of(&token))
            .detail(json!({"role": role}))
            .insert(&token)
            .commit()
            .await?;
        self.0.tokens.change(|tokens| {
            tokens.insert(token.hash.clone(), token.clone());
        });
        Ok(NewToken { name: token.name, role, token: secret })
    }

    /// The tokens, without their hashes.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let mut tokens: Vec<Token> =
            self.0.catalog.table().all(Query::new().order("name", Order::Asc)).await?;
        tokens.iter_mut().for_each(|token| token.hash.clear());
        Ok(tokens)
    }

    /// Makes a token stop working.
    pub async fn revoke_token(&self, actor: &Actor, name: &str) -> Result<()> {
        let token: Token =
            self.0.catalog.table().get(name).await?.ok_or_else(|| Error::not_found("token", name))?;
        self.0
            .change(actor, "governance.token.revoked", Ref::of(&token))
            .delete::<Token>(name)
            .commit()
            .await?;
        self.0.tokens.change(|tokens| {
            tokens.remove(&token.hash);
        });
        Ok(())
    }

    /// Who a token's secret stands for.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is unknown, revoked or over.
    pub fn authenticate(&self, secret: &str) -> Result<Actor> {
        let refused =
            || Error::new(Code::Unauthenticated, "the token is not valid: it was revoked or never made");
        let tokens = self.0.tokens.0.load();
        let token = tokens.get(&hash(secret)).ok_or_else(refused)?;
        if token.expires_at.is_some_and(|expires| expires <= self.0.clock.now()) {
            return Err(Error::new(Code::Unauthenticated, format!("the token {:?} has expired", token.name)));
        }
        Ok(Actor { name: token.name.clone(), role: token.role })
    }
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}
