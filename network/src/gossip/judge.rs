//! What is said of a gossiped message. The verdicts are pure; around them stand the questions to the
//! chain and the pool that lead to them.
//!
//! A message is passed on only after it was checked. Whoever passes on what its very bytes prove invalid
//! pays for it; what merely cannot be judged here and now is ignored, and nobody pays.

use crate::gossip::recent_blocks::{self, RecentBlocks};
use crate::handle::{NetworkHandle, RequestError};
use crate::wire::compact::{PartialBlock, Unresolved};
use crate::wire::{CompactBlock, Message, TxBatch};
use cairn_chain::{BlockBody, ChainHandle, HeaderOutcome, Misbehaviour, Origin, PeerNumber, Tip, Verdict};
use cairn_common::runtime;
use cairn_ledger::block::{Body, HEADER_BYTES, Header};
use cairn_ledger::error::{BlockError, Fault, HeaderError};
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::pow::{Target, Work};
use cairn_ledger::validate::{Candidate, LinkedHeader, check_work};
use cairn_ledger::{chain_spec::ChainSpec, codec::DecodeError, transaction::Transaction};
use cairn_mempool::{PoolError, PoolHandle};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// A block so far above the best header is not looked at: sync will come to it.
const FAR_AHEAD: u64 = 64;
/// A block whose chain is so many blocks of the tip's work behind it, or more, is neither fetched nor passed on: blocks
/// that compete with the tip have cost as much as it has, others are cheap, and come by sync when their chain has
/// overtaken.
const BEHIND: usize = 3;
/// How often a transaction that came before its predecessor is tried again: batches overtake each other.
const GAP_RETRIES: usize = 3;
/// The pause before each of them.
const GAP_PAUSE: Duration = Duration::from_millis(100);

/// What came of a gossiped message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it travels on.
    pub(crate) verdict: Verdict,
    /// What its sender did besides sending it.
    pub(crate) misbehaviour: Option<Misbehaviour>,
    /// What was learned.
    pub(crate) finding: Finding,
    /// Transactions in it that were in this node's pool already.
    pub(crate) pooled: Vec<TxId>,
}

/// What was learned of a gossiped message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// A block on a chain with so much work, whole.
    Block { id: BlockId, header: Box<Header>, total_work: Work },
    /// A block, with work, of a branch that is not known here.
    UnknownParent { id: BlockId },
    /// A block whose header is linked, and whose body did not come: gossip brings it only once.
    MissingBody { id: BlockId },
    /// A block of a chain with far less work than the one followed here: its sender may not know of that.
    Unwanted,
    /// Transactions that were new here and admitted.
    Transactions(Vec<(TxId, Transaction)>),
}

impl Judged {
    fn new(verdict: Verdict, finding: Finding) -> Self {
        Self { verdict, misbehaviour: None, finding, pooled: Vec::new() }
    }

    fn ignored() -> Self {
        Self::new(Verdict::Ignore, Finding::Nothing)
    }

    fn rejected(misbehaviour: Misbehaviour) -> Self {
        Self::new(Verdict::Reject(misbehaviour), Finding::Nothing)
    }

    fn ignored_but(finding: Finding) -> Self {
        Self { finding, ..Self::ignored() }
    }

    fn missing(id: BlockId) -> Box<Self> {
        Box::new(Self::ignored_but(Finding::MissingBody { id }))
    }
}

/// The id of the block in a message, before anything is known about it but the work of its header: what cost nothing
/// takes nobody's place.
pub(crate) fn block_id(spec: &ChainSpec, data: &[u8]) -> Result<BlockId, Option<Misbehaviour>> {
    let head = data.get(..HEADER_BYTES).ok_or(DecodeError::Truncated { got: data.len() });
    let header = head.and_then(Header::from_bytes).map_err(|error| Some(Misbehaviour::Undecodable(error)))?;
    check_work(spec, header).map(|sealed| sealed.id()).map_err(|error| match error.fault() {
        Fault::Proven => Some(Misbehaviour::InvalidHeader(error)),
        Fault::Mutated | Fault::NotYet => None,
    })
}

/// A header that breaks a rule: is that its sender's fault?
fn of_header_error(error: HeaderError) -> Judged {
    match error.fault() {
        Fault::Proven => Judged::rejected(Misbehaviour::InvalidHeader(error)),
        Fault::Mutated | Fault::NotYet => Judged::ignored(),
    }
}

/// Whether a chain with so much work competes with the one to this tip.
fn competes(total_work: Work, tip: &Tip) -> bool {
    let block = tip.header.target.decode().map(Target::work).unwrap_or_default();
    let within = (0..BEHIND).try_fold(total_work, |sum, _| sum.checked_add(block));
    within.is_none_or(|within| within > tip.total_work)
}

/// What follows from how a header was linked: either the verdict, or the block is wanted.
fn of_header(id: BlockId, outcome: HeaderOutcome, tip: &Tip) -> Result<LinkedHeader, Box<Judged>> {
    match outcome {
        HeaderOutcome::Linked(linked) if competes(linked.total_work(), tip) => Ok(linked),
        HeaderOutcome::Linked(_) | HeaderOutcome::Unwanted => Err(Box::new(Judged::ignored_but(Finding::Unwanted))),
        HeaderOutcome::Orphan { .. } => Err(Box::new(Judged::ignored_but(Finding::UnknownParent { id }))),
        HeaderOutcome::Invalid(error) => Err(Box::new(of_header_error(error))),
        // A child of the invalid is not proven invalid by its own bytes, and whoever passed it on may not
        // have executed the parent yet.
        // One under rules that are not known here cannot be judged; whoever knows them passes it on.
        HeaderOutcome::Known { .. }
        | HeaderOutcome::Early
        | HeaderOutcome::OtherRules { .. }
        | HeaderOutcome::InvalidAncestor => Err(Box::new(Judged::ignored())),
    }
}

/// What follows from comparing a body with its header. `fetched`: the sender was asked for this very body.
fn of_match(linked: &LinkedHeader, matched: Result<(), BlockError>, fetched: bool) -> Judged {
    let Err(error) = matched else {
        let header = Box::new(linked.header().clone());
        let finding = Finding::Block { id: linked.id(), header, total_work: linked.total_work() };
        return Judged::new(Verdict::Accept, finding);
    };
    match error.fault() {
        Fault::Proven => Judged::rejected(Misbehaviour::InvalidBlock(error)),
        // The compact block may be right: only what was asked for is the sender's own.
        Fault::Mutated if fetched => Judged { misbehaviour: Some(Misbehaviour::MutatedBody), ..Judged::ignored() },
        Fault::Mutated | Fault::NotYet => Judged::ignored(),
    }
}

/// The block's transactions with what its sender added; and what that was.
fn finish(mut draft: PartialBlock, more: Vec<Transaction>) -> (Result<Vec<Candidate>, Unresolved>, Answered) {
    // Another number of them fills nothing: the draft stays incomplete.
    let answered = Answered(draft.fill(more).unwrap_or_default());
    (draft.finish(), answered)
}

/// Transactions that the sender of a compact block said stand at these places.
///
/// That the block did not come of them proves nothing yet: another may have made a compact block with wrong short
/// ids, which honest nodes pass on once they have the body. The body proves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answered(Vec<(u32, TxId)>);

impl Answered {
    /// Whether other transactions stand at those places of the body that is the block's.
    fn differs_from(&self, body: &BlockBody) -> bool {
        let ids: Vec<TxId> = recent_blocks::transactions(body).map(Transaction::id).collect();
        self.0.iter().any(|(place, txid)| ids.get(*place as usize) != Some(txid))
    }
}

/// Whether this node has checked a transaction to the end, now or before: only then may it vouch for it.
fn is_checked(answer: &Result<TxId, PoolError>) -> bool {
    matches!(answer, Ok(_) | Err(PoolError::AlreadyPooled | PoolError::AlreadyMined))
}

/// What follows from the pool's answers to a batch.
///
/// The pool refuses some transactions without a look at their signature. Whoever passed such a batch on would
/// vouch for what the next node may prove invalid; so the batch stays here, and what was admitted goes on in a
/// batch of our own.
fn of_batch(transactions: &[Transaction], answers: &[Result<TxId, PoolError>]) -> Judged {
    let both = transactions.iter().zip(answers);
    let admitted = both.filter_map(|(transaction, answer)| Some((*answer.as_ref().ok()?, transaction.clone())));
    let admitted: Vec<(TxId, Transaction)> = admitted.collect();
    let proven = answers.iter().find_map(|answer| match answer {
        Err(PoolError::Invalid(error)) => Some(*error),
        _ => None,
    });
    let verdict = match proven {
        Some(error) => Verdict::Reject(Misbehaviour::InvalidTransaction(error)),
        None if !admitted.is_empty() && answers.iter().all(is_checked) => Verdict::Accept,
        None => Verdict::Ignore,
    };
    let both = transactions.iter().zip(answers);
    let pooled = both.filter(|(_, answer)| matches!(answer, Err(PoolError::AlreadyPooled)));
    let pooled = pooled.map(|(transaction, _)| transaction.id()).collect();
    Judged { pooled, ..Judged::new(verdict, Finding::Transactions(admitted)) }
}

/// Whoever judges needs these. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Judge {
    /// The rules.
    pub(crate) spec: Arc<ChainSpec>,
    /// The chain.
    pub(crate) chain: ChainHandle,
    /// The pool.
    pub(crate) pool: PoolHandle,
    /// Where bodies are kept that others may ask for.
    pub(crate) recent_blocks: RecentBlocks,
    /// The way to ask the sender for more.
    pub(crate) network: NetworkHandle,
    /// Room to look through the pool for what blocks are made of. Whoever waits for a sender's answer is not in it.
    pub(crate) turns: Arc<Semaphore>,
}

/// Blocks for which the pool is looked through at once.
pub(crate) const TURNS: usize = 4;

impl Judge {
    /// Judges a compact block, and imports the block as soon as its body is found to be its own.
    pub(crate) async fn block(&self, sender: PeerNumber, data: Vec<u8>) -> Judged {
        let linked = match self.link(sender, &data).await {
            Ok(linked) => linked,
            Err(judged) => return *judged,
        };
        // Work and ancestry are right: only now is the rest worth decoding.
        let compact = match CompactBlock::from_bytes(&data) {
            Ok(compact) => compact,
            Err(error) => return Judged::rejected(Misbehaviour::Undecodable(error)),
        };
        let (body, fetched) = match self.body(sender, linked.id(), compact).await {
            Ok(body) => body,
            Err(judged) => return *judged,
        };
        let body = Arc::new(body);
        let Ok(mut import) = self.chain.import_offered(linked.clone(), BlockBody::clone(&body)).await else {
            return Judged::ignored();
        };
        // From here the block travels on; that it may fail in execution is no relayer's fault.
        let Ok(matched) = import.matched().await else { return Judged::ignored() };
        let mut judged = of_match(&linked, matched, fetched.is_some());
        if matched.is_ok() {
            if fetched.is_some_and(|answered| answered.differs_from(&body)) {
                judged.misbehaviour = Some(Misbehaviour::WrongAnswer);
            }
            // Before anybody can ask for it.
            self.recent_blocks.put(linked.id(), body);
        }
        judged
    }

    async fn link(&self, sender: PeerNumber, data: &[u8]) -> Result<LinkedHeader, Box<Judged>> {
        let head = data.get(..HEADER_BYTES).ok_or(DecodeError::Truncated { got: data.len() });
        let header =
            head.and_then(Header::from_bytes).map_err(|e| Box::new(Judged::rejected(Misbehaviour::Undecodable(e))))?;
        let sealed = check_work(&self.spec, header).map_err(|error| Box::new(of_header_error(error)))?;
        let (id, header) = (sealed.id(), sealed.header().clone());
        if header.height > self.chain.best_header().saturating_add(FAR_AHEAD) {
            return Err(Box::new(Judged::ignored_but(Finding::UnknownParent { id })));
        }
        let outcomes = self.chain.link_headers(Origin::Peer(sender), vec![header]).await;
        let outcome = outcomes.ok().and_then(|outcomes| outcomes.into_iter().next());
        let outcome = outcome.ok_or_else(|| Box::new(Judged::ignored()))?;
        of_header(id, outcome, &self.chain.tip())
    }

    /// The block's transactions: from the pool, else with what the sender adds, else all from the sender. With
    /// the last comes what the sender had answered before.
    async fn body(
        &self,
        sender: PeerNumber,
        id: BlockId,
        compact: CompactBlock,
    ) -> Result<(BlockBody, Option<Answered>), Box<Judged>> {
        let draft = self.draft(compact).await?;
        let missing = draft.missing();
        let more = if missing.is_empty() { Vec::new() } else { self.ask_for(sender, id, missing).await? };
        let finished = self.in_turn(move || finish(draft, more)).await;
        // Not even a worker that panicked is the sender's fault.
        let (finished, answered) = finished.unwrap_or((Err(Unresolved::OtherRoot), Answered::default()));
        match finished {
            Ok(candidates) => Ok((BlockBody::Resolved(candidates), None)),
            // Somebody else's was the block's: who garbles blocks has nobody fetch whole ones for it.
            Err(_) if self.recent_blocks.get(&id).is_some() => Err(Box::new(Judged::ignored())),
            Err(reason) => {
                tracing::debug!(target: "cairn::network", block = %id, %reason, "fetching a whole body");
                Ok((self.fetch(sender, id).await?.into(), Some(answered)))
            }
        }
    }

    /// The transactions, as far as the pool has them.
    async fn draft(&self, compact: CompactBlock) -> Result<PartialBlock, Box<Judged>> {
        // A pool that is gone has none; the node is stopping.
        let pool = match compact.short_ids.is_empty() {
            true => Vec::new(),
            false => self.pool.transactions().await.unwrap_or_default(),
        };
        // A full pool takes milliseconds to hash.
        match self.in_turn(move || PartialBlock::begin(compact, &pool)).await {
            Some(Ok(draft)) => Ok(draft),
            // Everybody sees that the places are wrong: those very bytes prove it.
            Some(Err(_)) => Err(Box::new(Judged::rejected(Misbehaviour::Undecodable(DecodeError::OutOfRange)))),
            None => Err(Box::new(Judged::ignored())),
        }
    }

    /// Does what takes a processor for milliseconds, when it is its turn; nothing where a worker panicked.
    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let _turn = self.turns.acquire().await.ok()?;
        runtime::blocking(work).await.ok()
    }

    /// What stands at these places of the block, from the sender; nothing when it does not say.
    async fn ask_for(
        &self,
        sender: PeerNumber,
        id: BlockId,
        places: Vec<u32>,
    ) -> Result<Vec<Transaction>, Box<Judged>> {
        let missing = places.len();
        tracing::debug!(target: "cairn::network", block = %id, missing, "asking for transactions of a block");
        match self.network.request_block_txs(sender, id, places).await {
            Ok(transactions) => Ok(transactions),
            // A line may be slow, and that is nobody's fault: the block comes from others, or by sync.
            Err(RequestError::Timeout | RequestError::Gone | RequestError::Stopped(_)) => Err(Judged::missing(id)),
            // It speaks no such protocol, is busy, or was reported already: perhaps it has the body.
            Err(RequestError::Refused { .. } | RequestError::Undecodable(_) | RequestError::TooLong) => Ok(Vec::new()),
        }
    }

    /// The whole body, from the sender.
    async fn fetch(&self, sender: PeerNumber, id: BlockId) -> Result<Body, Box<Judged>> {
        match self.network.request_bodies(sender, vec![id]).await {
            Ok(bodies) => bodies.into_iter().next().ok_or_else(|| Judged::missing(id)),
            Err(_) => Err(Judged::missing(id)),
        }
    }

    /// Judges a batch of transactions by offering them to the pool.
    pub(crate) async fn batch(&self, sender: PeerNumber, data: Vec<u8>) -> Judged {
        let transactions = match TxBatch::from_bytes(&data) {
            Ok(batch) => batch.transactions.into_vec(),
            Err(error) => return Judged::rejected(Misbehaviour::Undecodable(error)),
        };
        let origin = Origin::Peer(sender);
        let Ok(mut answers) = self.pool.submit(origin, transactions.clone()).await else { return Judged::ignored() };
        for _ in 0..GAP_RETRIES {
            let is_gap = |answer: &Result<TxId, PoolError>| matches!(answer, Err(PoolError::NonceGap { .. }));
            let early: Vec<usize> = (0..answers.len()).filter(|at| is_gap(&answers[*at])).collect();
            if early.is_empty() {
                break;
            }
            runtime::sleep(GAP_PAUSE).await;
            let again = early.iter().filter_map(|at| transactions.get(*at)).cloned().collect();
            let Ok(new) = self.pool.submit(origin, again).await else { break };
            early.into_iter().zip(new).for_each(|(at, answer)| answers[at] = answer);
        }
        of_batch(&transactions, &answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::error::{ExecutionError, TxError};
    use cairn_ledger::hash::Hash;
    use cairn_ledger::testing::{easy_network, genesis_state, key, mine, payment};
    use cairn_ledger::validate::ChainContext;

    fn batch(answers: Vec<Result<TxId, PoolError>>) -> Judged {
        let spec = easy_network();
        let transactions: Vec<_> =
            (0..answers.len() as u64).map(|nonce| payment(&spec, &key(1), nonce, key(2).address(), 5, 185)).collect();
        of_batch(&transactions, &answers)
    }

    fn admitted(judged: &Judged) -> usize {
        match &judged.finding {
            Finding::Transactions(admitted) => admitted.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_batch_travels_on_when_it_brought_something_and_nothing_is_proven_invalid() {
        let new = || Ok(TxId::ZERO);
        let judged = batch(vec![Err(PoolError::AlreadyPooled), new()]);
        assert_eq!((judged.verdict.clone(), admitted(&judged)), (Verdict::Accept, 1));
        let judged = batch(vec![Err(PoolError::AlreadyPooled), Err(PoolError::AlreadyMined)]);
        assert_eq!((judged.verdict.clone(), admitted(&judged)), (Verdict::Ignore, 0));
        assert_eq!(batch(vec![]).verdict, Verdict::Ignore);
    }

    #[test]
    fn honest_transactions_survive_the_invalid_one_beside_them() {
        let judged = batch(vec![Ok(TxId::ZERO), Err(PoolError::Invalid(TxError::Signature)), Ok(TxId::ZERO)]);
        assert_eq!(judged.verdict, Verdict::Reject(Misbehaviour::InvalidTransaction(TxError::Signature)));
        assert_eq!(admitted(&judged), 2);
    }

    #[test]
    fn what_only_this_pool_refuses_is_nobodys_fault_and_holds_up_nobody() {
        let unjudgeable = [
            PoolError::NonceGap { got: 9, expected: 0 },
            PoolError::FeeTooLow { got: 1, min: 2 },
            PoolError::Execution(ExecutionError::UnknownSender { sender: key(1).address() }),
        ];
        for error in unjudgeable {
            assert_eq!(batch(vec![Err(error)]).verdict, Verdict::Ignore, "{error}");
            // Its signature may be wrong: whoever vouched for it could be made to pay.
            let judged = batch(vec![Err(error), Ok(TxId::ZERO)]);
            assert_eq!((judged.verdict.clone(), admitted(&judged)), (Verdict::Ignore, 1), "{error}");
        }
    }

    #[test]
    fn only_proven_headers_cost_their_sender() {
        let id = BlockId::ZERO;
        let judge = |outcome| of_header(id, outcome, &tip(0)).err().map(|judged| *judged);
        assert_eq!(
            judge(HeaderOutcome::Orphan { parent: id }),
            Some(Judged::ignored_but(Finding::UnknownParent { id }))
        );
        for outcome in
            [HeaderOutcome::Known { total_work: Work::ZERO }, HeaderOutcome::Early, HeaderOutcome::InvalidAncestor]
        {
            assert_eq!(judge(outcome), Some(Judged::ignored()));
        }
        assert_eq!(judge(HeaderOutcome::Unwanted), Some(Judged::ignored_but(Finding::Unwanted)));
        let proven = HeaderError::ZeroBeneficiary;
        assert_eq!(judge(HeaderOutcome::Invalid(proven)), Some(Judged::rejected(Misbehaviour::InvalidHeader(proven))));
        let ahead = HeaderError::TimeAhead { got: Default::default(), limit: Default::default() };
        assert_eq!(judge(HeaderOutcome::Invalid(ahead)), Some(Judged::ignored()));
    }

    /// A tip whose chain has so many times the work of its block.
    fn tip(blocks: u64) -> Tip {
        let header = easy_network().genesis().clone();
        let work = header.target.decode().map(Target::work).expect("a normal target");
        let total_work = (0..blocks).fold(Work::ZERO, |sum, _| sum.checked_add(work).expect("no overflow"));
        Tip { id: header.id(), header, total_work }
    }

    /// Low-work blocks were once passed on through the whole mesh.
    #[test]
    fn blocks_of_chains_with_far_less_work_are_not_passed_on() {
        let at = |blocks: u64| {
            let total_work = tip(blocks).total_work;
            let header = easy_network().genesis().clone();
            let (id, target) = (header.id(), header.target);
            let linked = LinkedHeader::restore(header.clone(), id, total_work, target, vec![]);
            of_header(header.id(), HeaderOutcome::Linked(linked), &tip(1_000)).map_err(|judged| judged.finding)
        };
        for blocks in [0, 1, 500, 997] {
            assert_eq!(at(blocks), Err(Finding::Unwanted), "{blocks}");
        }
        for blocks in [998, 999, 1_000, 1_001, 5_000] {
            assert!(at(blocks).is_ok(), "{blocks} of 1 000 competes with the tip");
        }
    }

    #[test]
    fn a_body_of_another_block_costs_only_whoever_was_asked_for_it() {
        let linked = LinkedHeader::genesis(&easy_network());
        let mutated = BlockError::TxsRoot { got: Hash::ZERO, expected: Hash::ZERO };
        assert_eq!(of_match(&linked, Err(mutated), false), Judged::ignored());
        assert_eq!(of_match(&linked, Err(mutated), true).misbehaviour, Some(Misbehaviour::MutatedBody));
        assert_eq!(of_match(&linked, Err(mutated), true).verdict, Verdict::Ignore);
        let large = BlockError::Size { got: 2, max: 1 };
        assert_eq!(of_match(&linked, Err(large), false), Judged::rejected(Misbehaviour::InvalidBlock(large)));
        assert_eq!(of_match(&linked, Ok(()), true).verdict, Verdict::Accept);
    }

    #[test]
    fn only_the_body_proves_that_wrong_transactions_were_given() {
        let spec = easy_network();
        let all: Vec<_> = (0..3).map(|nonce| payment(&spec, &key(1), nonce, key(2).address(), 5, 185)).collect();
        let ids: Vec<TxId> = all.iter().map(Transaction::id).collect();
        let body = BlockBody::from(Body::new(all).expect("few"));
        let differs = |answered: &[(u32, TxId)]| Answered(answered.to_vec()).differs_from(&body);
        assert!(!differs(&[]) && !differs(&[(0, ids[0]), (2, ids[2])]), "the control: what is right costs nothing");
        assert!(differs(&[(0, ids[0]), (1, ids[2])]) && differs(&[(3, ids[0])]));
    }

    #[test]
    fn the_id_needs_the_header_alone_and_its_work() {
        let spec = easy_network();
        let header = mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), vec![]).header;
        let mut data = cairn_ledger::codec::encode(&header);
        assert!(matches!(block_id(&spec, &data[..189]), Err(Some(Misbehaviour::Undecodable(_)))));
        data.extend([0xff; 50]);
        assert_eq!(block_id(&spec, &data), Ok(header.id()));
        // Half of all nonces are good enough here.
        let without_work = (0..64_u64).any(|nonce| {
            data.splice(HEADER_BYTES - 8..HEADER_BYTES, nonce.to_le_bytes());
            matches!(block_id(&spec, &data), Err(Some(Misbehaviour::InvalidHeader(_))))
        });
        assert!(without_work);
    }
}
