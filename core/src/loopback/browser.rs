//! Opening the system's browser.

use std::env;
use std::process::{Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// A browser that runs for longer than this has shown something, even if it fails later.
const OPENS_WITHIN: Duration = Duration::from_secs(10);
/// How often to check whether a browser has ended.
const PERIOD: Duration = Duration::from_millis(50);

/// Opens a browser on a thread of its own, since some block their caller; `failed` receives the reason if none was
/// opened.
pub(super) fn open(url: &str, failed: impl FnOnce(&str) + Send + 'static) {
    let url = url.to_owned();
    spawn(move || {
        let ended = match env::var("BROWSER").unwrap_or_default() {
            own if own.is_empty() => webbrowser::open(&url).map_err(|error| error.to_string()),
            own => open_one_of(&own, &url),
        };
        if let Err(why) = ended {
            failed(&why);
        }
    });
}

/// Opens the first browser of `BROWSER` that does not fail: commands separated by colons, in which `%s` stands for the
/// URL; without `%s` the URL is appended.
fn open_one_of(browsers: &str, url: &str) -> Result<(), String> {
    let mut why = "BROWSER names no browser".to_owned();
    for browser in browsers
        .split(':')
        .filter(|command| !command.trim().is_empty())
    {
        match run(&mut command(browser, url)) {
            Ok(()) => return Ok(()),
            Err(error) => why = format!("BROWSER names {browser}: {error}"),
        }
    }
    Err(why)
}

fn command(browser: &str, url: &str) -> Command {
    let mut words = browser.split_ascii_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    let mut words: Vec<String> = words.map(|word| word.replace("%s", url)).collect();
    if !browser.contains("%s") {
        words.push(url.to_owned());
    }
    command.args(words);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Runs a browser until it ends, or has run for long enough.
fn run(command: &mut Command) -> Result<(), String> {
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let began = Instant::now();
    while began.elapsed() < OPENS_WITHIN {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("it ended with {status}")),
            None => sleep(PERIOD),
        }
    }
    // Waits for it, so that no zombie process remains when it ends.
    let _ = child.wait();
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_does_not_fail_is_enough() {
        let url = "http://127.0.0.1/a?b=c";
        for good in [
            "true",
            "true %s",
            "false:true",
            "/no/such/browser:true",
            ":true",
        ] {
            assert_eq!(open_one_of(good, url), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("false", "false: it ended with exit status: 1"),
            ("true.no.such", "true.no.such: No such file"),
            ("false:false %s", "false %s: it ended"),
            (":", "names no browser"),
        ] {
            let error = open_one_of(bad, url).expect_err(bad);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_address_is_one_argument() {
        let of = |browser| {
            let command = command(browser, "u");
            let args = command
                .get_args()
                .map(|arg| arg.to_string_lossy().into_owned());
            args.collect::<Vec<_>>().join("|")
        };
        assert_eq!(of("firefox"), "u");
        assert_eq!(of("firefox --new-tab %s -x"), "--new-tab|u|-x");
        assert_eq!(of("open --url=%s"), "--url=u");
    }
}
