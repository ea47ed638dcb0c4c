//! Why an exchange with the authority gave nothing, in words that say what to do next. They hold no
//! secret, and nothing of an answer but the issuer that it names.

use crate::builder::BuildError;
use crate::endpoint::BadAddress;
use crate::secret::SecretError;
use crate::shared_secret::SharedSecretError;
use http::StatusCode;
use rescind_wire::frame::BadFrame;
use rustls::CertificateError;
use std::error::Error;
use std::fmt;
use std::io;

/// Why an exchange with the authority gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The metadata was not read yet.
    #[error("the authority's metadata is not known yet")]
    NotDiscovered,
    /// Connection refused, or broken.
    #[error(
        "the authority cannot be reached: see that it runs, and that the issuer is its address ({0})"
    )]
    Transport(String),
    /// Its certificate is not accepted.
    #[error("the authority's certificate is not accepted: {0}")]
    Certificate(String),
    /// No answer in time.
    #[error(
        "the authority does not answer in time: see that it runs, and that nothing between holds back answers"
    )]
    Timeout,
    /// 401 or 403.
    #[error(transparent)]
    Denied(Denied),
    /// Another status than 200; redirects are among them.
    #[error("the authority answers {0}: {hint}", hint = hint(*.0))]
    Status(StatusCode),
    /// Not the content type that was asked for.
    #[error(
        "the answer is of another content type: is the issuer the address of Rescind, and not of something else?"
    )]
    ContentType,
    /// The metadata is another issuer's.
    #[error(
        "the authority there is the issuer {named:?}, and this verifier was told {told:?}: use the first, letter by \
         letter, or correct `rescind serve --issuer`"
    )]
    Issuer {
        /// As the authority says it, cut to 200 characters.
        named: String,
        /// As the verifier was told.
        told: String,
    },
    /// The metadata document lacks something or is malformed.
    #[error(
        "the authority's metadata is unusable ({0}): is the issuer the address of Rescind, of this version?"
    )]
    Metadata(&'static str),
    /// An address in the metadata is not allowed.
    #[error("an address in the authority's metadata is {0}")]
    Address(#[from] BadAddress),
    /// Longer than the limit, or broken off.
    #[error(
        "the authority's answer is too long or breaks off: see that nothing between cuts it, and that the issuer is \
         the address of Rescind"
    )]
    Body,
    /// A snapshot of more bytes than are taken.
    #[error(
        "the snapshot has over {0} bytes: if so many revocations live, raise the bound (`max_snapshot` of the \
         verifier's builder)"
    )]
    Snapshot(usize),
    /// Not a frame of this realm.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// A good frame, of a kind that was not asked for.
    #[error("the authority sent a frame that was not asked for")]
    OtherFrame,
}

/// The authority refuses this server.
#[derive(Debug, thiserror::Error)]
pub struct Denied {
    pub(crate) status: StatusCode,
    pub(crate) client: String,
    /// Where the secret came from.
    pub(crate) from: String,
}

impl Denied {
    /// 401: id or secret; 403: the permission.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, client, from } = self;
        match *status {
            StatusCode::FORBIDDEN => write!(
                f,
                "the authority lets the client {client} in, but not follow (403): it lacks the permission feed. \
                 Register another by `rescind client add ID --audience NAME --permission feed`"
            ),
            _ => write!(
                f,
                "the authority refuses the client {client} with the secret from {from} ({status}): put there \
                 what `rescind client add` printed for it, or draw another by `rescind client secret {client}`"
            ),
        }
    }
}

/// `main` prints the error that it returns, and `unwrap` the one that it finds, by `Debug`: so that shows the
/// words that say what to do, too.
macro_rules! debug_in_words {
    ($($error:ty),*) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
debug_in_words!(BuildError, SecretError, SharedSecretError);

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::MISDIRECTED_REQUEST => {
            "it goes by another host or port than this issuer's. Use exactly what `rescind serve --issuer` was told"
        }
        StatusCode::NOT_FOUND => {
            "nothing of Rescind is there. Is the issuer right, and does a proxy pass this path on?"
        }
        status if status.is_redirection() => {
            "no redirect is followed. Use exactly what `rescind serve --issuer` was told"
        }
        _ => "its log says more",
    }
}

impl FetchError {
    /// Of a request that was not answered.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        match certificate(error) {
            Some(trouble) => FetchError::Certificate(judged(trouble)),
            None => FetchError::Transport(causes(error)),
        }
    }

    /// Whether an answer came, or part of it, that was read as what was asked for.
    pub(crate) fn brought_bytes(&self) -> bool {
        matches!(self, Self::Body | Self::Snapshot(_) | Self::Frame(_) | Self::OtherFrame)
    }
}

/// What is wrong with a certificate, if that is the cause. An `io::Error` hides what it holds from
/// `source`.
fn certificate<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    if let Some(rustls::Error::InvalidCertificate(trouble)) = error.downcast_ref() {
        return Some(trouble);
    }
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let held = held.map(|held| held as &'a (dyn Error + 'static));
    held.or_else(|| error.source()).and_then(certificate)
}

fn judged(trouble: &CertificateError) -> String {
    use CertificateError as Trouble;
    match trouble {
        Trouble::UnknownIssuer => {
            "nobody whom this machine trusts has signed it. For a CA of your own name the file of its certificate \
             in the environment variable SSL_CERT_FILE; otherwise the authority must serve its whole chain"
                .to_owned()
        }
        Trouble::NotValidForName | Trouble::NotValidForNameContext { .. } => {
            "it is for another host. The issuer must name a host that is in it".to_owned()
        }
        Trouble::Expired
        | Trouble::ExpiredContext { .. }
        | Trouble::NotValidYet
        | Trouble::NotValidYetContext { .. } => {
            "by this machine's clock it is out of date. Renew it, or set the clock".to_owned()
        }
        other => other.to_string(),
    }
}

/// An error with what lies beneath it: hyper's own text says too little.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn every_answer_that_is_none_says_what_to_do() {
        for (status, hint) in [(400, "--issuer"), (404, "proxy"), (308, "redirect"), (500, "log")] {
            let error = FetchError::Status(StatusCode::from_u16(status).unwrap());
            assert!(error.to_string().contains(hint), "{error}");
        }
        for (error, hint) in [
            (FetchError::Transport("refused".into()), "see that it runs"),
            (FetchError::Timeout, "see that it runs"),
            (FetchError::ContentType, "is the issuer the address of Rescind"),
            (FetchError::Metadata("not strict JSON"), "is the issuer the address of Rescind"),
        ] {
            assert!(error.to_string().contains(hint), "{error}");
        }
    }

    #[test]
    fn a_refused_client_is_told_which_secret_and_which_permission() {
        let denied = |status| Denied {
            status,
            client: "posts-api".into(),
            from: "the environment variable RESCIND_CLIENT_SECRET".into(),
        };
        let said = denied(StatusCode::UNAUTHORIZED).to_string();
        for part in ["RESCIND_CLIENT_SECRET", "rescind client add", "client secret posts-api"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(denied(StatusCode::FORBIDDEN).to_string().contains("--permission feed"));
    }

    #[test]
    fn an_error_that_main_returns_or_unwrap_finds_is_told_in_words() {
        let denied = Denied {
            status: StatusCode::UNAUTHORIZED,
            client: "posts-api".into(),
            from: "the file s".into(),
        };
        let late = BuildError::NotReady(Some(Arc::new(FetchError::Denied(denied))));
        let told: [(Box<dyn Error>, &str); 3] = [
            (Box::new(late), "rescind client secret posts-api"),
            (Box::new(SecretError::Variable("S".into())), "rescind client add"),
            (Box::new(SharedSecretError::Form), "86 characters"),
        ];
        for (error, hint) in told {
            assert!(error.to_string().contains(hint), "{error}");
            assert_eq!(format!("{error:?}"), error.to_string());
        }
    }

    // K08
    #[test]
    fn a_certificate_is_found_below_other_errors_and_called_by_what_is_wrong() {
        for (trouble, hint) in [
            (CertificateError::UnknownIssuer, "SSL_CERT_FILE"),
            (CertificateError::NotValidForName, "another host"),
            (CertificateError::Expired, "clock"),
            (CertificateError::Revoked, "Revoked"),
        ] {
            let inner = io::Error::other(rustls::Error::InvalidCertificate(trouble));
            let said = FetchError::of(&io::Error::other(inner)).to_string();
            assert!(said.contains(hint) && said.contains("certificate"), "{said}");
        }
        let other = FetchError::of(&io::Error::other("refused"));
        assert!(matches!(other, FetchError::Transport(_)));
    }
}
