//! Every target, for two to three seconds and from one fixed seed; or, by `cargo xtask fuzz`, guided by
//! coverage until its time is over. Each stands in a module of its name, by which it is run alone.

mod token {
    // H13
    #[test]
    fn nothing_but_a_truly_signed_token_is_accepted_for_what_it_says() {
        rescind_fuzz::TOKEN.run();
    }
}

mod key_set {
    // H13
    #[test]
    fn a_key_set_keeps_public_keys_as_the_document_writes_them() {
        rescind_fuzz::KEY_SET.run();
    }
}

mod frame {
    // H13
    #[test]
    fn a_frame_opens_only_as_it_was_sealed_and_has_one_form() {
        rescind_fuzz::FRAME.run();
    }
}

mod head {
    // H13
    #[test]
    fn a_head_makes_fresh_only_who_asked_and_has_applied_it() {
        rescind_fuzz::HEAD.run();
    }
}

mod snapshot {
    // H13
    #[test]
    fn a_follower_never_goes_back_whatever_frames_come() {
        rescind_fuzz::SNAPSHOT.run();
    }
}

mod cookie {
    #[test]
    fn a_session_cookie_is_one_and_exact_or_refused() {
        rescind_fuzz::COOKIE.run();
    }
}

mod line {
    #[test]
    fn a_line_opens_in_one_text_and_one_carrier() {
        rescind_fuzz::LINE.run();
    }
}

mod body {
    #[test]
    fn no_body_makes_the_server_fail_or_open_to_a_wrong_credential() {
        rescind_fuzz::BODY.run();
    }
}

mod configuration {
    #[test]
    fn settings_mean_the_same_written_anew_and_no_problem_shows_a_value() {
        rescind_fuzz::CONFIGURATION.run();
    }
}
