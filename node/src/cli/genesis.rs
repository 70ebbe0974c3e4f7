//! A network, shown.

use cairn_genesis::Network;
use cairn_ledger::units::{Amount, Height};
use cairn_ledger::{chain_spec::ChainSpec, pow::Work};
use cairn_rpc::types::HeaderJson;
use serde_json::json;

/// Everything that is created after the last halving exists.
const LAST_HEIGHT: Height = Height::new(u64::MAX);

/// A network as people read it.
pub(super) fn as_text(network: &Network) -> String {
    let (spec, params) = (&network.spec, network.spec.params());
    let genesis = spec.genesis();
    let network = [
        ("name", params.name.clone()),
        ("genesis id", spec.genesis_id().to_string()),
        ("address prefix", params.prefix.to_string()),
    ];
    let block = [
        ("version", genesis.version.to_string()),
        ("height", genesis.height.to_string()),
        ("parent", genesis.parent.to_string()),
        ("time", format!("{} ms since 1970", genesis.time)),
        ("target", genesis.target.to_string()),
        ("beneficiary", genesis.beneficiary.to_string()),
        ("txs root", genesis.txs_root.to_string()),
        ("state root", genesis.state_root.to_string()),
        ("history root", genesis.history_root.to_string()),
        ("nonce", genesis.nonce.to_string()),
    ];
    let rules = [
        ("block interval", format!("{} ms", params.interval_ms)),
        ("difficulty half-life", format!("{} ms", params.half_life_ms)),
        ("block's time ahead", format!("at most {} ms", params.max_future_ms)),
        ("block size", format!("at most {} bytes", params.max_block_bytes)),
        ("new accounts", format!("at most {} a block", params.max_new_accounts)),
        ("price of an account", format!("{} CRN, burned", params.account_price)),
        ("easiest target", params.pow_limit.to_string()),
        ("first target", params.genesis_target.to_string()),
        ("block reward", format!("{} CRN and the fees", params.subsidy)),
        ("halving", format!("every {} blocks", params.halving)),
    ];
    let allotted = format!("{} CRN in {} accounts", spec.supply(Height::GENESIS), params.allocations.len());
    let supply = [("at block 0", allotted), ("in the end", format!("{} CRN", spec.supply(LAST_HEIGHT)))];
    let groups: [(&str, &[_]); 5] = [
        ("network", &network),
        ("block 0", &block),
        ("rules", &rules),
        ("upgrades", &upgrades(spec)),
        ("supply", &supply),
    ];
    let row = |(name, value): &(&str, String)| format!("\n  {name:<20}  {value}");
    groups.map(|(title, rows)| title.to_owned() + &rows.iter().map(row).collect::<String>()).join("\n\n")
}

/// What each upgrade changes, as rows.
fn upgrades(spec: &ChainSpec) -> Vec<(&str, String)> {
    let schedule = spec.schedule();
    let mut rows = vec![("id of the rules", schedule.id().to_string())];
    for upgrade in schedule.upgrades() {
        let changes = [
            upgrade.max_block_bytes.map(|bytes| format!("blocks of at most {bytes} bytes")),
            upgrade.max_new_accounts.map(|count| format!("at most {count} new accounts a block")),
            upgrade.account_price.map(|price| format!("an account costs {price} CRN")),
            upgrade.feature.clone(),
        ];
        let changes: Vec<String> = changes.into_iter().flatten().collect();
        rows.push((upgrade.name.as_str(), format!("from block {} on: {}", upgrade.height, changes.join(", "))));
    }
    rows
}

/// The same as JSON: amounts in pebbles, as everywhere in JSON.
pub(super) fn as_json(network: &Network) -> String {
    let (spec, params) = (&network.spec, network.spec.params());
    let pebbles = |amount: Amount| amount.pebbles().to_string();
    let shown = json!({
        "name": params.name,
        "genesis_id": spec.genesis_id().to_string(),
        "address_prefix": params.prefix.as_str(),
        "header": HeaderJson::new(spec.genesis(), Work::ZERO, &params.prefix),
        "rules": {
            "interval_ms": params.interval_ms,
            "half_life_ms": params.half_life_ms,
            "max_future_ms": params.max_future_ms,
            "max_block_bytes": params.max_block_bytes,
            "max_new_accounts": params.max_new_accounts,
            "account_price": pebbles(params.account_price),
            "pow_limit": params.pow_limit.to_string(),
            "genesis_target": params.genesis_target.to_string(),
            "subsidy": pebbles(params.subsidy),
            "halving": params.halving,
        },
        "rules_id": spec.schedule().id().to_string(),
        "upgrades": spec.schedule().upgrades().iter().map(|upgrade| json!({
            "height": upgrade.height.get(),
            "name": upgrade.name,
            "version": spec.rules_at(upgrade.height).version,
            "max_block_bytes": upgrade.max_block_bytes,
            "max_new_accounts": upgrade.max_new_accounts,
            "account_price": upgrade.account_price.map(pebbles),
            "feature": upgrade.feature,
        })).collect::<Vec<_>>(),
        "supply": {
            "genesis": pebbles(spec.supply(Height::GENESIS)),
            "final": pebbles(spec.supply(LAST_HEIGHT)),
        },
        "defaults": {
            "p2p_port": network.defaults.p2p_port,
            "rpc_port": network.defaults.rpc_port,
            "boot_nodes": network.defaults.boot_nodes,
            "local": network.defaults.local,
            "snapshot_every": network.defaults.snapshot_every,
            "stretch_blocks": network.defaults.stretch_blocks,
        },
    });
    format!("{shown:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_shown_with_its_id_its_rules_and_its_supply() {
        let network = Network::parse(cairn_genesis::MAIN).expect("main");
        let text = as_text(&network);
        for said in ["name                  main", &network.id().to_string(), "30000 ms", "0 CRN in 0 accounts", "CRN"]
        {
            assert!(text.contains(said), "{said} in\n{text}");
        }
        let json: serde_json::Value = serde_json::from_str(&as_json(&network)).expect("JSON");
        assert_eq!(json["genesis_id"], network.id().to_string());
        assert_eq!(json["header"]["height"], 0);
        assert_eq!(json["rules"]["subsidy"], "500000000");
        assert_eq!(json["supply"]["genesis"], "0");
    }
}
