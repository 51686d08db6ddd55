//! Opens the user's own regular files: links, devices and other users' files are not followed, read or written.
//!
//! A path is checked before it is opened, since opening some kinds of files blocks (a FIFO) or has side effects (a
//! device), and again once it is open, as it may have been replaced in between.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The maximum number of links in a chain to a store's file.
const MAX_LINKS: usize = 8;

/// Returns the file that a path leads to: follows links as long as they belong to the user. The result is not a link.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match look(&path)? {
            Some(found) if found.is_symlink() => check_owner(&path, &found)?,
            _ => return Ok(path),
        }
        path = parent(&path).join(fs::read_link(&path)?);
    }
    Err(refused(&path, "is in a chain of too many links"))
}

/// Reads a whole file, up to `limit` bytes; `None` if there is none.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let Some(found) = look(path)? else {
        return Ok(None);
    };
    check(path, &found)?;
    let file = match options().read(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let found = file.metadata()?;
    check(path, &found)?;
    tighten(&file, &found);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity(found.len().min(limit))));
    (&file)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() > capacity(limit) {
        return Err(refused(
            path,
            &format!("is larger than {} MiB", limit >> 20),
        ));
    }
    Ok(Some(bytes))
}

fn capacity(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Opens a file to write to in place, or creates it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    open_by(options().read(true).write(true).create(true), path)
}

/// Opens an existing file.
pub(super) fn open_existing(path: &Path) -> io::Result<File> {
    open_by(options().read(true).write(true), path)
}

fn open_by(options: &OpenOptions, path: &Path) -> io::Result<File> {
    if let Some(found) = look(path)? {
        check(path, &found)?;
    }
    let file = options.open(path)?;
    let found = file.metadata()?;
    check(path, &found)?;
    check_names(path, &found)?;
    tighten(&file, &found);
    Ok(file)
}

/// Creates a file in place of any existing one.
pub(super) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(refused(path, &format!("cannot be removed: {error}")));
        }
        _ => {}
    }
    options().read(true).write(true).create_new(true).open(path)
}

/// Creates a folder and its parents, unless it exists.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates a folder for a store's own files, unless it exists. It must belong to the user, and not be a link.
pub(super) fn own_folder(path: &Path) -> io::Result<()> {
    if look(path)?.is_none() {
        folder(path)?;
    }
    match look(path)? {
        Some(found) if found.is_dir() => check_owner(path, &found),
        Some(found) => Err(refused(path, &format!("is {}, not a folder", kind(&found)))),
        None => Err(refused(path, "was deleted just now")),
    }
}

/// Returns the folder that a file is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Returns the metadata of a path itself: a link is not followed.
fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        options.mode(0o600);
        options.custom_flags(flags.bits().cast_signed());
    }
    options
}

/// Checks that it is a regular file of the user.
fn check(path: &Path, found: &Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(refused(
            path,
            &format!("is {}, not a regular file", kind(found)),
        ));
    }
    check_owner(path, found)
}

#[cfg(unix)]
fn check_owner(path: &Path, found: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::geteuid().as_raw();
    if found.uid() == user {
        return Ok(());
    }
    let other = format!("belongs to another user ({}, not {user})", found.uid());
    Err(refused(path, &other))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
fn check_owner(_path: &Path, _found: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Checks that a file that is written to in place has no second name (hard link).
#[cfg(unix)]
fn check_names(path: &Path, found: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    match found.nlink() {
        0 | 1 => Ok(()),
        _ => Err(refused(path, "has another name (a hard link)")),
    }
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
fn check_names(_path: &Path, _found: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Removes the permissions of other users.
#[cfg(unix)]
fn tighten(file: &File, found: &Metadata) {
    use std::os::unix::fs::PermissionsExt;
    if found.permissions().mode() & 0o077 != 0 {
        // If that fails, as on a read-only disk, the file is still usable; the next write replaces it.
        let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
    }
}

#[cfg(not(unix))]
fn tighten(_file: &File, _found: &Metadata) {}

/// Describes what is there in place of a file.
fn kind(found: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = found.file_type();
        if kind.is_fifo() {
            return "a FIFO";
        } else if kind.is_socket() {
            return "a socket";
        } else if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if found.is_dir() {
        "a folder"
    } else if found.is_symlink() {
        "a symbolic link"
    } else if found.is_file() {
        "a file"
    } else {
        "something else"
    }
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::other(format!(
        "{} {why}. Move it away, or choose another place for the store",
        path.display()
    ))
}
