// The faucet's page: asks what a coin costs, has a worker pay for it, and follows the payment into its block.

const POLL_MS = 1000;
const BUSY_MS = 3000;
const WITHIN_MS = 20000;
const element = (id) => document.getElementById(id);
const [form, address, go, stop] = ['claim', 'address', 'go', 'stop'].map(element);
const { explorer, worker: program } = document.body.dataset;

const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

// What is under way; another visit to the button, or "Stop", ends it.
let task = null;

const wait = (ms) => new Promise((done) => { setTimeout(done, ms); });

class Refusal extends Error {
  constructor({ kind, message, again, bits, grant }) {
    super(message);
    Object.assign(this, { kind, again, bits, grant });
  }
}

async function ask(path, body) {
  const options = body === undefined
    ? {}
    : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(WITHIN_MS) }).catch(() => {
    throw new Refusal({ kind: 'silent', message: 'The faucet does not answer; try again in a moment.' });
  });
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(json.error ?? { kind: 'strange', message: `The faucet answers ${answer.status}.` });
  return json;
}

const sentence = (text) => {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
};

function say(text) {
  element('said').textContent = text;
}

function complain(error) {
  const problem = element('problem');
  // A time in UTC says little to most; theirs stands beside it.
  const here = error.again === undefined ? '' : ` That is ${moment.format(new Date(error.again))} here.`;
  problem.textContent = `${sentence(error.message)}${here}`;
  problem.hidden = false;
  const isAddress = error.kind === 'bad_address';
  address.toggleAttribute('aria-invalid', isAddress);
  if (isAddress) address.setAttribute('aria-invalid', 'true');
  if (isAddress) address.focus();
}

function calm() {
  element('problem').hidden = true;
  address.removeAttribute('aria-invalid');
  say('');
}

function working(is) {
  element('work').hidden = !is;
  stop.hidden = !is;
  go.disabled = is;
  address.readOnly = is;
}

// ---- work ------------------------------------------------------------------------------------------------------------

function showPace(tried, ms, bits) {
  const expected = 2 ** bits;
  // How likely it is that so many tries had found one.
  element('meter').value = 1 - Math.exp(-tried / expected);
  const rate = tried / Math.max(ms, 1) * 1000;
  element('pace').textContent =
    `${number.format(tried)} of about ${number.format(expected)} tries, ${number.format(rate)} a second`;
}

// The next nonce that is good enough; `offer` when it is a new challenge.
function mine(current, { bits, ...challenge }) {
  return new Promise((done, failed) => {
    current.worker.onmessage = ({ data }) => {
      showPace(data.tried, data.ms, bits);
      if (data.found !== null) done(String(data.found));
    };
    current.worker.onerror = () => {
      failed(new Refusal({ kind: 'worker', message: 'The work cannot be done in this browser.' }));
    };
    current.worker.postMessage({ bits, ...challenge });
  });
}

// Brings proofs until one is taken: a price that rose costs more work on the same challenge, an old challenge a new one.
async function earn(current, to) {
  let offer = await ask(`/api/challenge?address=${encodeURIComponent(to)}`);
  let work = { bits: offer.bits, challenge: offer.challenge, tag: offer.tag };
  let nonce = null;
  say('Your browser is working. You may stop at any time.');
  while (current === task) {
    nonce ??= await mine(current, work);
    try {
      return await ask('/api/claim', { address: offer.address, window: offer.window, nonce });
    } catch (error) {
      if (error.kind === 'weak_proof') {
        say('The price has risen; going on.');
        [work, nonce] = [{ bits: error.bits }, null];
      } else if (error.kind === 'old_challenge') {
        say('That took long, and begins anew.');
        offer = await ask(`/api/challenge?address=${encodeURIComponent(to)}`);
        [work, nonce] = [{ bits: offer.bits, challenge: offer.challenge, tag: offer.tag }, null];
      } else if (['busy', 'no_node', 'too_fast'].includes(error.kind)) {
        say(sentence(error.message));
        await wait(BUSY_MS);
      } else {
        throw error;
      }
    }
  }
  return null;
}

// ---- the gift --------------------------------------------------------------------------------------------------------

const STATES = {
  granted: 'promised; it is being sent',
  sent: 'on its way, waiting for a block',
  mined: 'in block',
  settled: 'in a block, and buried under others',
};

function link(text, path) {
  if (!explorer) return document.createTextNode(text);
  const anchor = document.createElement('a');
  anchor.href = `${explorer}${path}`;
  anchor.textContent = text;
  return anchor;
}

function show(gift) {
  element('gift').hidden = false;
  element('gift').dataset.state = gift.state;
  element('gift-to').replaceChildren(link(gift.address, `/address/${gift.address}`));
  if (gift.txid !== null) element('gift-payment').replaceChildren(link(gift.txid, `/tx/${gift.txid}`));
  element('gift-state').textContent = `${STATES[gift.state]}${gift.height === null ? '' : ` ${gift.height}`}`;
}

async function follow(current, first) {
  let gift = first;
  let told = '';
  while (current === task) {
    show(gift);
    const text = { sent: 'It is on its way.', mined: 'It has arrived.', settled: 'It has arrived.' }[gift.state]
      ?? 'It is yours, and is being sent.';
    if (text !== told) say(text);
    told = text;
    if (gift.state === 'mined' || gift.state === 'settled') return;
    await wait(POLL_MS);
    gift = await ask(`/api/grant/${gift.id}`).catch((error) => {
      if (error.kind === 'no_grant') throw error;
      return gift;
    });
  }
}

async function take() {
  const current = { worker: new Worker(program, { type: 'module' }) };
  task = current;
  calm();
  element('gift').hidden = true;
  element('gift-payment').textContent = 'not sent yet';
  element('meter').value = 0;
  element('pace').textContent = '';
  working(true);
  try {
    const gift = await earn(current, address.value.trim());
    if (gift === null) return;
    working(false);
    current.worker.terminate();
    await follow(current, gift);
  } catch (error) {
    if (current !== task) return;
    say('');
    complain(error);
    // Whose claim was taken and whose answer was lost sees it all the same.
    if (error.grant !== undefined) await ask(`/api/grant/${error.grant}`).then(show, () => {});
  } finally {
    current.worker.terminate();
    if (current === task) working(false);
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  take();
});

stop.addEventListener('click', () => {
  task?.worker.terminate();
  task = null;
  working(false);
  say('Stopped.');
  go.focus();
});
