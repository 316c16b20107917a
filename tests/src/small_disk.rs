//! A disk that is soon full: memory of a limited size, which only the programs that were started on it see.

use nix::unistd::{getegid, geteuid};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes the disk in a place that other programs do not see, and goes on as the program that is named.
const MOUNT: &str = r#"mount -t tmpfs -o "size=$1,mode=755" none "$2" && shift 2 && exec "$@""#;

/// The place of the disk. It ends when it is dropped, what is on it with the last program that sees it.
pub struct SmallDisk {
    /// Where programs on the disk find it. For others the folder is empty.
    pub folder: PathBuf,
    size: String,
}

impl SmallDisk {
    /// A disk of so many MiB; none where this system does not let one be made.
    pub fn new(mebibytes: u32) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("milepost-test-disk-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).expect("the temporary folder can be written");
        let disk = Self { folder, size: format!("{mebibytes}m") };
        let words = disk.start("true");
        let made = Command::new(&words[0]).args(&words[1..]).status().is_ok_and(|status| status.success());
        made.then_some(disk)
    }

    /// The words that start a program that sees the disk, in the process that takes them.
    pub fn start(&self, program: &str) -> Vec<String> {
        let folder = self.folder.display().to_string();
        let mount = ["sh", "-c", MOUNT, "sh", &self.size, &folder];
        let (user, group) = (format!("--map-user={}", geteuid()), format!("--map-group={}", getegid()));
        let words: Vec<&str> = if geteuid().is_root() {
            [&["unshare", "--mount"], &mount[..], &[program]].concat()
        } else {
            // An ordinary user may mount where it is root, and must not be root to run PostgreSQL.
            [&["unshare", "--user", "--map-root-user", "--mount"], &mount[..], &["unshare", "--user", &user, &group, "--", program]]
                .concat()
        };
        words.into_iter().map(str::to_owned).collect()
    }

    /// The place of something on the disk as everybody sees it, through a program that sees the disk.
    pub fn seen_through(&self, pid: i32, name: &str) -> PathBuf {
        let folder = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        Path::new("/proc").join(pid.to_string()).join("root").join(folder).join(name)
    }
}

/// Fills the disk of a file, to the last byte, until the file is removed.
pub fn fill(file: &Path) {
    let mut ballast = OpenOptions::new().create(true).append(true).open(file).expect("a file can be made");
    for size in [1024 * 1024, 4096, 1] {
        let bytes = vec![0; size];
        let full = loop {
            if let Err(error) = ballast.write_all(&bytes) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
