//! A real browser: Debian's Chromium without a window, driven over the Chrome DevTools Protocol through two pipes.
//!
//! The protocol is JSON, a message ended by a zero byte; no crate is needed for it, and no port is open.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{fs, path::Path, thread};
use tempfile::TempDir;

/// How long the browser may take for one thing.
const WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at a page.
const PAUSE: Duration = Duration::from_millis(25);
/// Names under which it is installed.
const PROGRAMS: [&str; 2] = ["chromium", "chromium-browser"];

/// The browser; ended when dropped.
pub struct Browser {
    child: Child,
    pipe: ChildStdin,
    messages: Receiver<Value>,
    /// What happened and was not looked at yet.
    events: VecDeque<Value>,
    calls: u64,
    _profile: TempDir,
}

/// How large a page is shown.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Whether the visitor prefers dark pages.
    pub dark: bool,
}

/// A phone.
pub const PHONE: Screen = Screen { width: 390, height: 844, dark: false };
/// A desk.
pub const DESK: Screen = Screen { width: 1280, height: 900, dark: false };

impl Browser {
    /// Starts it; none, with a word to whoever reads the test's output, where it is not installed.
    ///
    /// # Panics
    /// It is there and does not start.
    pub fn start() -> Option<Self> {
        let is_there = |name: &&&str| {
            let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            found.is_ok_and(|status| status.success())
        };
        let Some(program) = PROGRAMS.iter().find(is_there) else {
            assert!(std::env::var_os("CI").is_none(), "CI has a browser: scripts/setup.sh --browser installs it");
            eprintln!("skipped: there is no Chromium; scripts/setup.sh --browser installs it");
            return None;
        };
        let profile = TempDir::with_prefix("cairn-browser-").expect("a temporary directory");
        // Chromium reads commands from the file descriptor 3 and answers on 4; a shell makes them of its own.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", program]);
        command.args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
        command.args(["--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"]);
        command.args(["--disable-extensions", "--disable-sync", "--hide-scrollbars", "--mute-audio"]);
        // Nothing leaves the machine.
        command.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost");
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // Its own page for new tabs would be made beside the first page that is looked at.
        command.arg("about:blank");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let pipe = child.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            while answers.read_until(0, &mut bytes).is_ok_and(|read| read > 0) {
                bytes.pop();
                let message = serde_json::from_slice(&bytes).expect("the browser speaks JSON");
                if sender.send(message).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
        Some(Self { child, pipe, messages, events: VecDeque::new(), calls: 0, _profile: profile })
    }

    fn call(&mut self, session: Option<&str>, method: &str, params: &Value) -> Value {
        self.ask(session, method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Calls a method; its refusal is given back.
    fn ask(&mut self, session: Option<&str>, method: &str, params: &Value) -> Result<Value, Value> {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": params});
        if let Some(session) = session {
            call["sessionId"] = json!(session);
        }
        self.pipe.write_all(format!("{call}\0").as_bytes()).expect("the browser reads");
        let deadline = Instant::now() + WITHIN;
        loop {
            let message = self.next(deadline).unwrap_or_else(|| panic!("the browser does not answer {method}"));
            if message["id"] == self.calls {
                return if message["error"].is_null() {
                    Ok(message["result"].clone())
                } else {
                    Err(message["error"].clone())
                };
            }
            self.events.push_back(message);
        }
    }

    fn next(&self, deadline: Instant) -> Option<Value> {
        match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the browser has ended"),
        }
    }

    /// Opens a page of its own, with storage of its own.
    ///
    /// # Panics
    /// The browser refuses.
    pub fn open(&mut self, screen: Screen) -> Page<'_> {
        let context = self.call(None, "Target.createBrowserContext", &json!({}))["browserContextId"].clone();
        let target = json!({"url": "about:blank", "browserContextId": context});
        let target = self.call(None, "Target.createTarget", &target)["targetId"].clone();
        let attached = self.call(None, "Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        let mut page = Page { browser: self, session, context, faults: Vec::new(), requests: Vec::new() };
        for domain in ["Page", "Runtime", "Network", "Log", "Accessibility"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page.resize(screen);
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends with the pipe; one that hangs is killed.
        let _ = self.pipe.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            thread::sleep(PAUSE);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page in the browser.
pub struct Page<'a> {
    browser: &'a mut Browser,
    session: String,
    context: Value,
    faults: Vec<String>,
    requests: Vec<String>,
}

impl Page<'_> {
    /// Calls a method of the protocol.
    ///
    /// # Panics
    /// The browser refuses.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        let session = self.session.clone();
        let result = self.browser.call(Some(&session), method, params);
        self.note();
        result
    }

    /// Notes what happened on the page since the last call.
    fn note(&mut self) {
        while let Ok(message) = self.browser.messages.try_recv() {
            self.browser.events.push_back(message);
        }
        for event in std::mem::take(&mut self.browser.events) {
            if event["sessionId"] != self.session {
                continue;
            }
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" => self.faults.push(params["exceptionDetails"].to_string()),
                "Log.entryAdded" if params["entry"]["level"] == "error" => {
                    self.faults.push(params["entry"].to_string())
                }
                "Runtime.consoleAPICalled" if params["type"] == "error" => self.faults.push(params["args"].to_string()),
                "Page.javascriptDialogOpening" => self.faults.push(format!("a dialog: {params}")),
                "Network.requestWillBeSent" => {
                    self.requests.extend(params["request"]["url"].as_str().map(str::to_owned));
                }
                _ => {}
            }
        }
    }

    /// Shows it at another size.
    pub fn resize(&mut self, Screen { width, height, dark }: Screen) {
        let mobile = width < 600;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// Goes to an address, and waits until the page is loaded.
    ///
    /// # Panics
    /// It is not loaded in time.
    pub fn go(&mut self, url: &str) {
        let answer = self.call("Page.navigate", &json!({"url": url}));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        let is_there =
            "document.readyState === 'complete' && location.href.split('#')[0] === new URL(URL_).href.split('#')[0]";
        self.until("the page is loaded", &is_there.replace("URL_", &json!(url).to_string()));
    }

    /// The value of an expression on the page.
    ///
    /// # Panics
    /// It throws.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let (session, deadline) = (self.session.clone(), Instant::now() + WITHIN);
        loop {
            let asked = self.browser.ask(Some(&session), "Runtime.evaluate", &params);
            self.note();
            match asked {
                Ok(answer) => {
                    assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
                    return answer["result"]["value"].clone();
                }
                // Between two pages there is none to ask, and what waits for a promise is asked of the next.
                Err(error) if error.to_string().contains("context") && Instant::now() < deadline => {}
                Err(error) => panic!("{expression}: {error}"),
            }
        }
    }

    /// Waits until an expression is true on the page. While the page is being replaced it is asked again.
    ///
    /// # Panics
    /// It is not in time.
    pub fn until(&mut self, what: &str, expression: &str) {
        let deadline = Instant::now() + WITHIN;
        loop {
            let asked = json!({"expression": format!("Boolean({expression})"), "returnByValue": true});
            let session = self.session.clone();
            let answer = self.browser.ask(Some(&session), "Runtime.evaluate", &asked).unwrap_or_default();
            self.note();
            if answer["result"]["value"] == true {
                return;
            }
            if Instant::now() > deadline {
                let html = self.eval("document.documentElement.outerHTML");
                let faults = self.faults.join("\n");
                panic!("waited in vain until {what}: {expression}: {answer}\n{faults}\n{html}");
            }
            thread::sleep(PAUSE);
        }
    }

    /// The text of the first element that a selector names.
    ///
    /// # Panics
    /// There is none.
    pub fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({})?.innerText", json!(selector)));
        text.as_str().unwrap_or_else(|| panic!("nothing is {selector}")).to_owned()
    }

    /// Clicks into the middle of the first element that a selector names, as a mouse does: whatever lies over it gets
    /// the click.
    ///
    /// # Panics
    /// There is none.
    pub fn click(&mut self, selector: &str) {
        let middle = format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2]; }})()",
            json!(selector)
        );
        let middle = self.eval(&middle);
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Presses a key: `Tab`, `Enter`, or a letter.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 0,
        };
        let text = match key {
            "Enter" => "\r",
            "Tab" => "",
            letter => letter,
        };
        let down = json!({"type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", &down);
        self.call("Input.dispatchKeyEvent", &json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}));
    }

    /// Types into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// What went wrong on the page: errors, exceptions, dialogs, what its policy forbade.
    pub fn faults(&mut self) -> Vec<String> {
        self.eval("0");
        std::mem::take(&mut self.faults)
    }

    /// The addresses that were asked for since this was last asked.
    pub fn requests(&mut self) -> Vec<String> {
        self.eval("0");
        std::mem::take(&mut self.requests)
    }

    /// Lets pages of an origin do what a visitor would be asked for.
    pub fn grant(&mut self, permissions: &Value) {
        let mut permissions = permissions.clone();
        permissions["browserContextId"] = self.context.clone();
        self.browser.call(None, "Browser.grantPermissions", &permissions);
    }

    /// The page at an address as HTML, where no script runs: once it has this text in it.
    ///
    /// # Panics
    /// It has not in time.
    pub fn unscripted(&mut self, url: &str, text: &str) -> String {
        self.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
        self.call("Page.navigate", &json!({"url": url}));
        let (session, deadline) = (self.session.clone(), Instant::now() + WITHIN);
        loop {
            // While the page is replaced there is none to ask.
            let root = self.browser.ask(Some(&session), "DOM.getDocument", &json!({"depth": 0})).unwrap_or_default();
            let node = json!({"nodeId": root["root"]["nodeId"]});
            let html = self.browser.ask(Some(&session), "DOM.getOuterHTML", &node).unwrap_or_default();
            match html["outerHTML"].as_str() {
                Some(html) if html.contains(text) => return html.to_owned(),
                html => assert!(Instant::now() < deadline, "{url} has no {text}: {html:?}"),
            }
            thread::sleep(PAUSE);
        }
    }

    /// Keeps a picture of the whole page.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn picture(&mut self, to: &Path) {
        self.shoot(to, "[document.documentElement.clientWidth, document.documentElement.scrollHeight]");
    }

    /// Keeps a picture of what the window shows of it.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn view(&mut self, to: &Path) {
        self.shoot(to, "[innerWidth, innerHeight]");
    }

    fn shoot(&mut self, to: &Path, size: &str) {
        let size = self.eval(size);
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let shot = self.call("Page.captureScreenshot", &json!({"captureBeyondViewport": true, "clip": clip}));
        let bytes = base64(shot["data"].as_str().expect("a picture"));
        fs::write(to, bytes).expect("a picture is written");
    }
}

impl Drop for Page<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            let context = self.context.clone();
            self.browser.call(None, "Target.disposeBrowserContext", &json!({"browserContextId": context}));
        }
    }
}

/// The bytes of a text in base 64 (RFC 4648).
fn base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for value in text.bytes().filter_map(value) {
        (bits, count) = ((bits << 6 | u32::from(value)) & 0xFF_FFFF, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_read() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm9v", b"foo"), ("Zm9vYmE=", b"fooba"), ("/+7d", b"\xff\xee\xdd")]
        {
            assert_eq!(base64(text), bytes, "{text}");
        }
    }
}
