//! Folders and machines that `milepost dev` cannot use.

use super::{Folder, NOT_THERE, WRONG_USE, assert_refused, exists, milepost};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

async fn refused(folder: &str, flags: &[&str], status: i32, texts: &[&str]) {
    let arguments = [&["dev", "--no-seed", "--listen", "127.0.0.1:0", "--data-dir", folder], flags].concat();
    assert_refused(&milepost(&arguments, &[]).await, status, texts);
}

/// Everything in a folder with its content, and the folder's own mode.
fn content(folder: &Path) -> (u32, BTreeMap<String, Vec<u8>>) {
    let mode = std::fs::metadata(folder).expect("the folder is there").permissions().mode();
    let (mut all, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).expect("the folder can be read").flatten() {
            if entry.path().is_dir() {
                open.push(entry.path())
            } else {
                drop(all.insert(entry.path().display().to_string(), std::fs::read(entry.path()).expect("a file")))
            }
        }
    }
    (mode, all)
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_left_as_it_is() {
    let folder = Folder::new();
    std::fs::create_dir(folder.at("postgres")).expect("the folder can be written");
    folder.file("postgres/PG_VERSION", "15\n");
    folder.file("dev.json", "{}");
    folder.file("auth.secret", "precious");
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    let before = content(&folder.0);
    for flags in [&[][..], &["--fresh"]] {
        let texts = [&folder.at("")[..folder.at("").len() - 1], "contains files that `milepost dev` did not create", "--data-dir"];
        refused(&folder.0.display().to_string(), flags, WRONG_USE, &texts).await;
        assert_eq!(content(&folder.0), before, "with {flags:?}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    let file = folder.file("file", "");
    refused(&file, &[], WRONG_USE, &[&file, "choose another --data-dir"]).await;
    refused(&format!("{file}/below"), &["--fresh"], WRONG_USE, &[&file, "Not a directory", "choose another --data-dir"]).await;
    refused("/proc/milepost", &[], WRONG_USE, &["/proc/milepost", "choose another --data-dir"]).await;
}

#[tokio::test]
async fn root_is_told_of_a_folder_that_the_user_of_postgresql_cannot_reach() {
    let (closed, root) = (Folder::new(), nix::unistd::geteuid().is_root());
    std::fs::set_permissions(&closed.0, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    let folder = closed.at("data");
    // Nobody else needs another user, so nobody else can be refused.
    if root {
        refused(&folder, &[], WRONG_USE, &[&folder, "cannot access", "choose another --data-dir"]).await;
        assert!(!exists(&format!("{folder}/postgres")));
    }
}

#[tokio::test]
async fn a_machine_without_postgresql_is_told_what_to_install() {
    let folder = Folder::new();
    let arguments = ["dev", "--no-seed", "--listen", "127.0.0.1:0", "--data-dir", &folder.at("data")];
    let output = milepost(&arguments, &[("MILEPOST_POSTGRES_BIN", "/no/such/folder")]).await;
    assert_refused(&output, NOT_THERE, &["is not installed", "apt-get install postgresql", "MILEPOST_POSTGRES_BIN"]);
}

#[tokio::test]
async fn an_address_that_makes_no_sense_is_refused() {
    let folder = Folder::new();
    for address in ["nonsense", "192.0.2.1:0"] {
        let output = milepost(&["dev", "--no-seed", "--listen", address, "--data-dir", &folder.at("data")], &[]).await;
        assert_refused(&output, WRONG_USE, &[address, "cannot listen on", "--listen"]);
    }
}
