//! The authority's disk: a small file system of its own, in memory, so that it can be filled. Needs the rights to
//! mount; without them the store lies where everything lies, and no disk is filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIZE: &str = "size=256m,mode=0700";

/// Where it is mounted. Dropping it unmounts it.
#[derive(Debug)]
pub struct Disk(PathBuf);

fn done(program: &str, arguments: &[&str], folder: &Path) -> bool {
    let run = Command::new(program).args(arguments).arg(folder).output();
    run.is_ok_and(|run| run.status.success())
}

impl Disk {
    /// Mounts one on this folder, which is made.
    pub(super) fn mount(folder: PathBuf) -> Option<Self> {
        fs::create_dir(&folder).unwrap();
        let mounted = done("mount", &["-t", "tmpfs", "-o", SIZE, "rescind-torture"], &folder);
        mounted.then_some(Self(folder))
    }

    /// Leaves no room on it.
    pub fn fill(&self) {
        let Ok(mut file) = File::create(self.filler()) else { return };
        let mut part = 1 << 20;
        while part > 0 {
            // A part of it is written before the rest fails.
            if file.write_all(&vec![1; part]).is_err() {
                part /= 16;
            }
        }
    }

    /// Makes room again.
    pub fn free(&self) {
        let _ = fs::remove_file(self.filler());
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        done("umount", &["--lazy"], &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_written_on_a_full_disk_until_it_is_freed() {
        let folder = tempfile::tempdir().unwrap();
        let Some(disk) = Disk::mount(folder.path().join("disk")) else {
            eprintln!("left out: nothing can be mounted");
            return;
        };
        let write = || fs::write(folder.path().join("disk/a"), [1; 10_000]);
        write().unwrap();
        fs::remove_file(folder.path().join("disk/a")).unwrap();
        disk.fill();
        write().unwrap_err();
        disk.free();
        write().unwrap();
    }
}
