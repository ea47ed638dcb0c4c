//! Texts that must not be met again, and the search for them under every disguise.

use rescind_wire::b64;

/// The forms under which bytes may hide in a line: as they are, in hex, base64 at each of the three
/// alignments, percent-encoded, and as a list of numbers.
pub(crate) fn disguises(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let percent: String = bytes.iter().map(|b| format!("%{b:02X}")).collect();
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut forms = vec![hex, percent, list.join(", "), list.join(",")];
    for skip in 0..3 {
        // Whole groups of three bytes, so that neither neighbour has a say in the characters.
        let whole = (bytes.len() - skip) / 3 * 3;
        let url = b64::encode(&bytes[skip..skip + whole]);
        forms.push(url.replace('-', "+").replace('_', "/"));
        forms.push(url);
    }
    forms.extend(std::str::from_utf8(bytes).map(str::to_owned));
    forms.sort();
    forms.dedup();
    forms
}

/// What must not be found: named, with all its forms.
pub(crate) struct Canaries(pub(crate) Vec<(String, Vec<String>)>);

impl Canaries {
    /// Makes one to be sent somewhere.
    pub(crate) fn plant(&mut self, name: &str) -> String {
        let text = format!("Canary{}x{}q", name, self.0.len() * 7919 + 104_729);
        self.0.push((name.to_owned(), disguises(text.as_bytes())));
        text
    }

    /// Something that the authority has made. Its last half is secret whatever its form is.
    pub(crate) fn given(&mut self, name: &str, text: &str) {
        let half = &text[text.len() / 2..];
        self.0.push((name.to_owned(), disguises(half.as_bytes())));
        if let Some(raw) =
            b64::decode(text.rsplit('.').next().unwrap().trim_start_matches("rsc_rt_"))
        {
            self.0.push((format!("{name}, decoded"), disguises(&raw[raw.len() / 2..])));
        }
    }

    /// The canaries that are somewhere in this text.
    pub(crate) fn found_in(&self, text: &str) -> Vec<&str> {
        // Whatever the case: a form is long enough not to be met by chance.
        let text = text.to_lowercase();
        let is_in = |form: &String| text.contains(&form.to_lowercase());
        let found = self.0.iter().filter(|(_, forms)| forms.iter().any(is_in));
        found.map(|(name, _)| name.as_str()).collect()
    }
}

/// Breaks out of whatever a careless log line would put it into.
pub(crate) fn breaking(mark: &str) -> String {
    format!("{mark}\r\n{{\"level\":\"INFO\",\"event\":\"forged\"}}\u{1b}[31m\u{2028}\"}},\\")
}
