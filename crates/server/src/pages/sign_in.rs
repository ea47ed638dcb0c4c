//! The sign-in page: a name, a password, and whether to remember.

use maud::{Markup, html};

use super::layout::{Frame, Width, frame, notice};

/// The form's element that says what went wrong; the fields point to it.
const ERROR_ID: &str = "sign-in-error";

/// What the sign-in page shows.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a> {
    /// The pre-session token, sent back in the hidden field `form_value`.
    pub form_value: &'a str,
    /// The name typed before, when the form is shown again; else empty.
    pub name: &'a str,
    /// Why the last attempt failed. Never says which of the two fields was wrong.
    pub error: Option<&'a str>,
    /// What just happened, such as a sign-out.
    pub notice: Option<&'a str>,
    /// Where to go afterwards: a path of this origin, checked by the handler when it comes back.
    pub next: &'a str,
}

/// The page: `POST /signin` with `username`, `password`, `remember` (present if ticked), `form_value`
/// and `next`, as a form.
pub fn sign_in(view: &SignIn<'_>) -> Markup {
    let shell = Frame {
        title: if view.error.is_some() { "Not signed in: Sign in" } else { "Sign in" },
        width: Width::Narrow,
        script: None,
        nav: None,
    };
    let content = html! {
        div.card {
            h1 { "Sign in" }
            (notice(view.notice))
            @if let Some(error) = view.error {
                p.notice.bad id=(ERROR_ID) role="alert" { (error) }
            }
            (form(view))
        }
    };
    frame(&shell, &content)
}

fn form(view: &SignIn<'_>) -> Markup {
    let described = view.error.map(|_| ERROR_ID);
    let invalid = view.error.map(|_| "true");
    // After a mistake the name stands already, so the password is where typing goes on.
    let name_first = view.name.is_empty();
    html! {
        form.fields method="post" action="/signin" {
            input type="hidden" name="form_value" value=(view.form_value);
            input type="hidden" name="next" value=(view.next);
            div.field {
                label for="username" { "Name" }
                input #username type="text" name="username" value=(view.name) dir="auto" required
                    autocomplete="username" autocapitalize="none" autocorrect="off"
                    spellcheck="false" autofocus[name_first]
                    aria-invalid=[invalid] aria-describedby=[described];
            }
            div.field {
                label for="password" { "Password" }
                input #password type="password" name="password" required
                    autocomplete="current-password" autofocus[!name_first]
                    aria-invalid=[invalid] aria-describedby=[described];
            }
            div.tick {
                input #remember type="checkbox" name="remember" value="true"
                    aria-describedby="remember-hint";
                label for="remember" { "Keep me signed in" }
                p.hint #remember-hint { "Leave this off on a device that others use too." }
            }
            button.button type="submit" { "Sign in" }
        }
    }
}
