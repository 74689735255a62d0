//! Rows for the challenge system: its users, its challenges, and a token for each user. Nothing in them is random.

use serde_json::{Value, json};

use crate::demo::challenge::catalogue::{Catalogue, user_id};
use crate::demo::challenge::token::Mint;

/// What users play on, in turn.
const PLATFORMS: [&str; 3] = ["PC", "PlayStation", "Xbox"];

/// The demo's users from the first on.
pub(super) fn users(count: u32) -> impl Iterator<Item = Value> {
    let platforms = PLATFORMS.into_iter().cycle();
    (0..count)
        .zip(platforms)
        .map(|(user, platform)| json!({ "userId": user_id(user), "platform": platform }))
}

/// The demo's challenges and what their goals want.
pub(super) fn challenges() -> impl Iterator<Item = Value> {
    Catalogue::new(10, 50).rows()
}

/// A token for each of these users; both times are whole seconds since 1970.
pub(super) fn tokens(count: u32, issued_at: i64, expires_at: i64) -> impl Iterator<Item = Value> {
    let mint = Mint::new();
    (0..count).map(move |user| {
        let token = mint.sign(user, json!(issued_at), json!(expires_at));
        json!({ "userId": user_id(user), "token": token })
    })
}
