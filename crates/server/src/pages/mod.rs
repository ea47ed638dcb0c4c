//! The pages that people see: what each shows, as plain views in and markup out.
//!
//! Owns the markup, the style sheet and the demo's script. Refuses everything that decides: no request,
//! no store, no clock comes here, so a page can only show what its handler found. All text is escaped by
//! `maud`. Nothing is inline (no `style=`, no `<script>` with a body, no `on…=`), so the pages live under
//! a content security policy that allows only files of this origin. Everything but the demo works
//! without JavaScript. The handlers stand in `http`; next here is `layout`, the frame around each page.

mod account;
mod demo;
mod layout;
mod message;
mod sign_in;

pub use account::{Account, EventRow, SessionRow, account};
pub use demo::{Demo, demo};
pub use message::{Message, message};
pub use sign_in::{SignIn, sign_in};

/// The style sheet, `text/css`, to be served at [`STYLE_PATH`].
pub const STYLE: &str = include_str!("../../assets/rescind.css");
/// Where the pages look for [`STYLE`].
pub const STYLE_PATH: &str = "/assets/rescind.css";
/// The demo's script (an ES module), `text/javascript`, to be served at [`DEMO_SCRIPT_PATH`].
pub const DEMO_SCRIPT: &str = include_str!("../../assets/demo.js");
/// Where the demo's page looks for [`DEMO_SCRIPT`].
pub const DEMO_SCRIPT_PATH: &str = "/assets/demo.js";

#[cfg(test)]
mod tests;
