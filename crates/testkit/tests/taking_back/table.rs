//! The table: what each way to take back kills, and what it leaves alive.

use crate::scene::{Scene, Thing};
use crate::ways::Way;

/// The columns of the table.
const THINGS: [Thing; 14] = [
    Thing::Access,
    Thing::Introspected,
    Thing::Again,
    Thing::Files,
    Thing::Refresh,
    Thing::OtherAccess,
    Thing::OtherRefresh,
    Thing::Cookie,
    Thing::PagesToken,
    Thing::BobsAccess,
    Thing::BobsFiles,
    Thing::BobsRefresh,
    Thing::SignIn,
    Thing::BobsSignIn,
];

/// L lives, D is dead. The things, from left to right: of Alice's program an access token, the same
/// introspected, another one, one for another audience, the refresh token; of her other program an
/// access token and the refresh token; of her browser the cookie and its page's access token; of Bob an
/// access token, one for the other audience, the refresh token; a new sign-in of Alice, and of Bob.
#[rustfmt::skip]
const TABLE: [(Way, &str); 27] = [
    //                           a i o f r   a r   c p   a f r   A B
    (Way::Logout,               "D D D D D   L L   L L   L L L   L L"),
    (Way::LogoutEverywhere,     "D D D D D   D D   D D   L L L   L L"),
    (Way::EndSession,           "D D D D D   L L   L L   L L L   L L"),
    (Way::EndOtherSessions,     "L L L L L   D D   D D   L L L   L L"),
    (Way::ChangePassword,       "D D D D D   D D   D D   L L L   L L"),
    (Way::Reauthenticate,       "D D D D D   L L   L L   L L L   L L"),
    (Way::RevokeAccessToken,    "D D L L L   L L   L L   L L L   L L"),
    (Way::RevokeRefreshToken,   "D D D D D   L L   L L   L L L   L L"),
    (Way::SpentRefreshToken,    "D D D D D   L L   L L   L L L   L L"),
    (Way::Suspend,              "D D D D D   D D   D D   L L L   D L"),
    (Way::Ban,                  "D D D D D   D D   D D   L L L   D L"),
    (Way::Delete,               "D D D D D   D D   D D   L L L   D L"),
    (Way::ChangeRoles,          "D D D D L   D L   L D   L L L   L L"),
    (Way::RevokeUser,           "D D D D D   D D   D D   L L L   L L"),
    (Way::RevokeUserAtClient,   "D D D D D   D D   D D   L L L   L L"),
    (Way::RevokeClient,         "D D D D D   D D   D D   D D D   L L"),
    (Way::RevokeUnusedClient,   "L L L L L   L L   L L   L L L   L L"),
    (Way::RemoveUnusedClient,   "L - L L L   L L   L L   L L L   L L"),
    (Way::RevokeAudience,       "D D D L L   D L   L D   D L L   L L"),
    (Way::RevokeSession,        "D D D D D   L L   L L   L L L   L L"),
    (Way::RevokeToken,          "D D L L L   L L   L L   L L L   L L"),
    (Way::RevokeEverything,     "D D D D D   D D   D D   D D D   L L"),
    (Way::TokenKeyCompromised,  "D D D D L   D L   L D   D D L   L L"),
    (Way::LineKeyCompromised,   "D D D D D   D D   D D   D D D   L L"),
    (Way::TokenKeyRotated,      "L L L L L   L L   L L   L L L   L L"),
    (Way::TokenKeyRetired,      "L L L L L   L L   L L   L L L   L L"),
    (Way::LineKeyRotated,       "L L L L L   L L   L L   L L L   L L"),
];

// R-29 R-30 A02 S09 V04
#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_take_back_kills_exactly_what_the_table_says() {
    let mut wrong = Vec::new();
    for (way, expected) in TABLE {
        let cells: Vec<char> = expected.chars().filter(|c| *c != ' ').collect();
        assert_eq!(cells.len(), THINGS.len(), "{way:?}");
        let mut scene = Scene::set().await;
        scene.take_back(way).await;
        scene.realm.settle().await;
        for (thing, cell) in THINGS.into_iter().zip(cells) {
            // There is nobody any more who may ask.
            if cell == '-' {
                continue;
            }
            let found = if scene.lives(thing).await { 'L' } else { 'D' };
            if found != cell {
                wrong.push(format!("{way:?} × {thing:?}: {found} instead of {cell}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

// Without this, a scene in which nothing ever lives would pass half of the table.
#[tokio::test(flavor = "multi_thread")]
async fn everything_lives_before_anything_is_taken_back() {
    let mut scene = Scene::set().await;
    for thing in THINGS {
        assert!(scene.lives(thing).await, "{thing:?}");
    }
}
