//! What is seen of the processes from outside: their memory, their end, their logs.

use super::{Realm, Slot};
use crate::process::Running;
use std::path::Path;

impl Realm {
    /// Reads how much memory each process has.
    pub fn sample_memory(&self) {
        let mut memory = self.memory.lock().unwrap();
        let mut add = |of: String, slot: &Slot| {
            let sample = super::slot(slot).as_ref().map(Running::memory);
            memory.entry(of).or_default().push(sample.unwrap_or_default());
        };
        add("authority".into(), &self.authority);
        for (number, server) in self.servers.iter().enumerate() {
            let name = match self.is_relay(number) {
                true => "relay".into(),
                false => format!("verifier {number}"),
            };
            add(name, &server.process);
        }
    }

    /// Ends all processes; gives which of them had ended by themselves, and lines of their logs that tell of a panic.
    pub fn failures(&self) -> Vec<String> {
        self.stop("the authority", &self.authority);
        self.servers.iter().for_each(|server| self.stop("a follower", &server.process));
        let mut failures = self.ended.lock().unwrap().clone();
        let logs = self.servers.iter().map(|s| s.log.clone()).chain([self.log("authority.log")]);
        failures.extend(logs.flat_map(|log| panics(&log)));
        self.keep_data();
        failures
    }

    /// The store is where the logs are, also when its disk is gone.
    fn keep_data(&self) {
        let kept = self.folder().join("data");
        std::fs::create_dir(&kept).unwrap();
        for file in std::fs::read_dir(self.data()).into_iter().flatten().flatten() {
            let _ = std::fs::copy(file.path(), kept.join(file.file_name()));
        }
    }
}

fn panics(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect()
}
