// What pages do beyond being read: times in the reader's zone, copying, settings, and staying up to date.
// Pages are made by the node; when something happens, the page is fetched again and its parts that changed are replaced.

const POLL_MS = 3000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const page = document.body.dataset;
const live = document.getElementById('live');
let height = Number(page.height);

// ---- times, copying, counts: on the page as it is, and on every part that is replaced ---------------------------------

// What writes moments takes a browser longer to make than all the rest of a page, so it is made when it is needed first.
let writer = null;

function moment(at) {
  writer ??= new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
  return writer.format(at);
}

function ago(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

function showTimes(root) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = 'ago' in time.dataset ? ago(Date.now() - at.getTime()) : moment(at);
    if (time.textContent !== text) time.textContent = text;
  }
}

// When exactly it was, for whoever points at how long ago.
document.addEventListener('pointerover', (event) => {
  const time = event.target.closest?.('time[data-ago]');
  const at = new Date(time?.dateTime);
  if (!Number.isNaN(at.getTime())) time.title = moment(at);
});

function showConfirmations(root) {
  for (const pill of root.querySelectorAll('[data-confirmations]')) {
    if (pill.dataset.confirmations === '') continue;
    const count = height - Number(pill.dataset.confirmations) + 1;
    if (count > 0) pill.textContent = `${count.toLocaleString('en')} ${count === 1 ? 'confirmation' : 'confirmations'}`;
  }
}

// What a part says, its times aside, which this script writes.
function signature(part) {
  const copy = part.cloneNode(true);
  for (const time of copy.querySelectorAll('time')) time.textContent = '';
  return copy.outerHTML;
}

function equip(root) {
  showConfirmations(root);
  for (const button of root.querySelectorAll('button[data-copy]')) {
    button.hidden = !navigator.clipboard;
    button.setAttribute('aria-label', `Copy ${button.dataset.copy}`);
  }
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('button[data-copy]');
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not allowed';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
});

for (const part of document.querySelectorAll('[data-live]')) part.original = signature(part);
equip(document);
// Once the page is painted. In the background nothing is, and nobody looks.
requestAnimationFrame(() => setTimeout(() => showTimes(document)));
setInterval(() => showTimes(document), 1000);

// ---- replacing what changed ------------------------------------------------------------------------------------------

let etag = null;
let fetching = null;
let again = false;

function replaceParts(fresh) {
  let changed = false;
  for (const old of document.querySelectorAll('[data-live]')) {
    const part = fresh.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
    if (!part || signature(part) === old.original) continue;
    const made = document.importNode(part, true);
    made.original = signature(part);
    const open = [...old.querySelectorAll('details')].map((details) => details.open);
    [...made.querySelectorAll('details')].forEach((details, place) => { details.open = open[place] ?? false; });
    equip(made);
    showTimes(made);
    const focused = old.contains(document.activeElement) ? focusPath(old, document.activeElement) : null;
    old.replaceWith(made);
    focusAgain(made, focused);
    changed = true;
  }
  if (changed) document.dispatchEvent(new CustomEvent('cairn:updated'));
}

// The keyboard stays where it was: at the same link or button of the new part.
function focusPath(root, element) {
  const key = element.getAttribute('href') ?? element.dataset.copy;
  return key === null || key === undefined ? null : { tag: element.tagName, key };
}

function focusAgain(root, focused) {
  if (!focused) return;
  const is = (element) => (element.getAttribute('href') ?? element.dataset.copy) === focused.key;
  [...root.querySelectorAll(focused.tag)].find(is)?.focus({ preventScroll: true });
}

async function refresh() {
  if (fetching) { again = true; return fetching; }
  fetching = (async () => {
    const headers = etag ? { 'If-None-Match': etag } : {};
    const answer = await fetch(location.pathname + location.search, { headers, cache: 'no-store' });
    if (answer.status === 304) return;
    etag = answer.headers.get('etag');
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (fresh.body.dataset.genesis !== page.genesis) return;
    page.height = fresh.body.dataset.height;
    page.tip = fresh.body.dataset.tip;
    replaceParts(fresh);
  })().catch(() => {}).finally(() => {
    fetching = null;
    if (again) { again = false; refresh(); }
  });
  return fetching;
}

// ---- following the chain ---------------------------------------------------------------------------------------------

let tries = 0;
let told = page.tip;

function isFinal() {
  return document.querySelector('[data-final]') !== null;
}

function follow() {
  const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/`);
  const call = (id, method, params) => socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  const payment = document.querySelector('[data-payment]');
  socket.onopen = () => {
    tries = 0;
    call(1, 'chain_subscribeMoves', told ? [told] : []);
    if (payment && !isFinal()) call(2, 'tx_subscribeStatus', [payment.dataset.payment, 6]);
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.id === 1 && message.error) {
      // Too far behind, or a block that the node does not know: from the tip on then.
      told = null;
      call(3, 'chain_subscribeMoves', []);
      catchUp();
    } else if (message.method === 'chain_moves') {
      moved(message.params.result);
    } else if (message.method === 'tx_txStatus') {
      paymentIs(message.params.result.state);
    }
  };
  socket.onclose = () => {
    if (tries > 0) live.textContent = 'The node does not answer; trying again.';
    setTimeout(follow, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
    tries += 1;
  };
}

// The node shows a page again for a second as it was: then it is looked at once more.
function paymentIs(state) {
  const shown = () => document.querySelector('[data-payment]')?.dataset.state;
  if (shown() === state) return;
  refresh().then(() => { if (shown() !== state) setTimeout(refresh, 1200); });
}

// A reorganisation comes in several moves, and is told for some seconds whatever blocks follow.
const REORGANISED_MS = 10000;
const gone = { count: 0, until: 0 };

function moved(move) {
  told = move.tip;
  const last = move.connected.at(-1);
  if (last) atHeight(last.height);
  if (performance.now() > gone.until) gone.count = 0;
  gone.count += move.disconnected.length;
  if (move.disconnected.length > 0) gone.until = performance.now() + REORGANISED_MS;
  live.textContent = gone.count > 0
    ? `The chain was reorganised: ${gone.count} ${gone.count === 1 ? 'block' : 'blocks'} left it. Block ${height}.`
    : `Block ${height}.`;
  if (!isFinal()) refresh();
}

function atHeight(now) {
  height = now;
  showConfirmations(document);
}

async function catchUp() {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'chain_tip', params: [] });
  const answer = await fetch('/', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  const tip = (await answer.json()).result;
  if (tip) { atHeight(tip.height); live.textContent = ''; }
}

const hasParts = document.querySelector('[data-live], [data-confirmations]') !== null;
if (hasParts) follow();
// The pool changes without the chain.
if (document.querySelector('[data-live="waiting"], [data-live="content"], [data-live="peers"]')) {
  setInterval(() => { if (document.visibilityState === 'visible') refresh(); }, POLL_MS);
}
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && hasParts && !isFinal()) refresh();
});

// ---- settings --------------------------------------------------------------------------------------------------------

const said = document.getElementById('settings-said');

function keep(name, value) {
  try {
    if (value === '') localStorage.removeItem(name); else localStorage.setItem(name, value);
    said.textContent = 'Kept in this browser.';
  } catch {
    said.textContent = 'This browser keeps nothing for this page.';
  }
}

function kept(name) {
  try { return localStorage.getItem(name) ?? ''; } catch { return ''; }
}

function settings() {
  const [genesis, nodes] = [document.getElementById('genesis-form'), document.getElementById('nodes-form')];
  if (!genesis || !nodes) return;
  genesis.hidden = nodes.hidden = false;
  const field = document.getElementById('genesis');
  field.value = kept('cairn.genesis');
  document.getElementById('genesis-confirm').addEventListener('click', () => {
    field.value = page.genesis;
    keep('cairn.genesis', page.genesis);
  });
  genesis.addEventListener('submit', (event) => {
    event.preventDefault();
    keep('cairn.genesis', field.value.trim().toLowerCase());
  });
  const list = document.getElementById('nodes');
  list.value = kept('cairn.nodes');
  nodes.addEventListener('submit', (event) => {
    event.preventDefault();
    const lines = list.value.split('\n').map((line) => line.trim()).filter((line) => line !== '');
    const wrong = lines.find((line) => !/^https?:\/\/[^\s/]+\/?$/.test(line));
    if (wrong !== undefined) {
      said.textContent = `${wrong.slice(0, 80)} is no URL such as https://node.example.org:9741.`;
      return;
    }
    keep('cairn.nodes', lines.join('\n'));
  });
}
settings();

// "/" goes to the search, as on other sites.
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.('input, textarea, select')) return;
  event.preventDefault();
  document.getElementById('q').focus();
});
