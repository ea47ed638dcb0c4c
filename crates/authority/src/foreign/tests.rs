use super::*;

/// Published hashes: Openwall's crypt_blowfish, RFC 7914 §12 and §11 (PBKDF2-SHA512 of its second
/// password by OpenSSL), the Argon2 reference implementation.
const KNOWN: [(&str, &str); 8] = [
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    ("$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
    ("$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"),
    (
        "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are \
         ignored",
    ),
    (
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylV\
         YT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw",
        "pleaseletmein",
    ),
    (
        "$pbkdf2-sha256$i=80000,l=64$TmFDbA$TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrb\
         hBtRybMXaicr3ruh0HhHj2Kzl/M8jQ",
        "Password",
    ),
    (
        "$pbkdf2-sha512$i=80000$TmFDbA$5jN9b762RceU1Km1t1t7MNrJrFA3apHfH0Rg9gYNWt2ywf0fhECausxn3n60B\
         W5rsGwtgsPvTM0b3tD2de2Xxg",
        "Password",
    ),
    (
        "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2.zH5iXh/vIAuDcj9JVCTUa3k",
        "password",
    ),
];

#[test]
fn hashes_of_other_systems_fit_their_password_and_no_other() {
    for (text, password) in KNOWN {
        let foreign = Foreign::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert!(ImportedHash::new(text).is_ok(), "{text}");
        assert!(foreign.fits(password.as_bytes()), "{text}");
        for wrong in ["", "u*u", "Password ", "0123456789"] {
            assert!(!foreign.fits(wrong.as_bytes()), "{text} {wrong}");
        }
    }
}

#[test]
fn one_changed_character_of_a_hash_fits_nothing() {
    for (text, password) in KNOWN {
        // The last but one carries no bits that a decoder may drop.
        let at = text.len() - 2;
        let other = if text.as_bytes()[at] == b'a' { 'b' } else { 'a' };
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        let fits = Foreign::parse(&changed).is_some_and(|f| f.fits(password.as_bytes()));
        assert!(!fits, "{changed}");
    }
}

fn usable(text: &str) -> bool {
    ImportedHash::new(text).is_ok()
}

const BCRYPT_REST: &str = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const SALT_AND_OUTPUT: &str = "MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zH5iXh/vIAuDcj9JVCTUa3k";

#[test]
fn a_hash_that_costs_too_much_is_refused_before_it_is_computed() {
    for (cost, good) in [("03", false), ("04", true), ("16", true), ("17", false), ("31", false)] {
        assert_eq!(usable(&format!("$2b${cost}${BCRYPT_REST}")), good, "{cost}");
    }
    for (params, good) in [
        ("ln=17,r=8,p=1", true),
        ("ln=17,r=8,p=8", true),
        ("ln=17,r=8,p=9", false),
        ("ln=18,r=8,p=1", false),
        ("ln=17,r=9,p=1", false),
        ("ln=20,r=1,p=1", true),
        ("ln=21,r=1,p=1", false),
        ("ln=63,r=1,p=1", false),
        ("ln=1,r=1024,p=1024", true),
        ("ln=1,r=1025,p=1", false),
        ("ln=1,r=4294967295,p=4294967295", false),
        ("ln=0,r=8,p=1", false),
        ("ln=14,r=0,p=1", false),
        ("ln=14,r=8,p=0", false),
    ] {
        assert_eq!(usable(&format!("$scrypt${params}${SALT_AND_OUTPUT}")), good, "{params}");
    }
    for (rounds, good) in [("0", false), ("1", true), ("5000000", true), ("5000001", false)] {
        assert_eq!(
            usable(&format!("$pbkdf2-sha256$i={rounds}${SALT_AND_OUTPUT}")),
            good,
            "{rounds}"
        );
        assert_eq!(usable(&format!("$pbkdf2-sha512${rounds}${SALT_AND_OUTPUT}")), good, "{rounds}");
    }
    // 64 bytes of output are two blocks of SHA-256.
    let long = KNOWN[5].0.replace("i=80000", "i=2500001");
    assert!(!usable(&long));
    for (params, good) in [
        ("m=65536,t=3,p=4", true),
        ("m=131072,t=8,p=1", true),
        ("m=131072,t=9,p=1", false),
        ("m=131073,t=1,p=1", false),
        ("m=4194304,t=1,p=1", false),
        ("m=8,t=4294967295,p=1", false),
        ("m=65536,t=3,p=4,keyid=c2VjcmV0", false),
        ("m=65536,t=3,p=4,data=c2VjcmV0", false),
    ] {
        let text = format!("$argon2id$v=19${params}${SALT_AND_OUTPUT}");
        assert_eq!(usable(&text), good, "{params}");
    }
}

#[test]
fn text_that_is_no_usable_hash_is_refused() {
    let long = format!("$pbkdf2-sha256$i=1${}$G/O7bynZBig0xpI9OJ2+zA", "A".repeat(MAX_TEXT));
    let cut = &KNOWN[0].0[..59];
    for bad in [
        "",
        "$",
        "$$$$",
        "password",
        "$1$salt$hash",
        "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW$",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOéé",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$pbkdf2-sha1$i=1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA",
        "$pbkdf2-sha256$i=-1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA",
        "$pbkdf2-sha256$i=+1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA",
        "$pbkdf2-sha256$i=1,l=17$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA",
        // An output of 15 bytes, a salt of 3, padding, and a part too many.
        "$pbkdf2-sha256$i=1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+",
        "$pbkdf2-sha256$i=1$MDEy$G/O7bynZBig0xpI9OJ2+zA",
        "$pbkdf2-sha256$i=1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA==",
        "$pbkdf2-sha256$i=1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA$",
        "$scrypt$r=8,ln=14,p=1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA",
        "$scrypt$ln=14,r=8,p=1,x=1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA",
        cut,
        &long,
    ] {
        assert!(!usable(bad), "{bad}");
    }
    assert!(usable("$pbkdf2-sha256$i=1$MDEyMzQ1Njc4OWFiY2RlZg$G/O7bynZBig0xpI9OJ2+zA"));
}

#[test]
fn an_imported_hash_is_not_in_its_debug_form() {
    let hash = ImportedHash::new(KNOWN[0].0).unwrap();
    assert_eq!(format!("{hash:?}"), "ImportedHash(…)");
}
