//! `[[net]]` entries and `[net.policy]`.

use super::sections::{NET, POLICY};
use super::values::{Table, named};
use super::{Loader, Part, Sited};
use crate::declared::net::{Cidr, HostPattern, PortRange};
use crate::declared::rule::{Evidence, NetRule, Proto, Section};
use toml::Spanned;
use toml::de::DeValue;

impl<'t> Loader<'t, '_> {
    /// `[[net]]`, and `[net.policy]`, which TOML hangs below the last entry, or below `net` when there is none.
    pub(super) fn network(&mut self, top: &Table<'_, 't>, part: &mut Part) {
        let Some(value) = top.get("net") else { return };
        let entries = match value.get_ref() {
            DeValue::Table(table) => {
                let net = Table {
                    what: "[[net]]",
                    table,
                    header: value.span(),
                };
                let others = table.keys().filter(|key| key.get_ref() != "policy").count();
                if others > 0 {
                    self.source
                        .error(value.span(), "`net` is a list of entries, not a table", "write [[net]]");
                }
                vec![net]
            }
            _ => self.entries(top, "net", "[[net]]"),
        };
        let mut policies = 0;
        for entry in &entries {
            let keys: Vec<&str> = NET.iter().copied().chain(["policy"]).collect();
            self.known(entry, &keys);
            if let Some(policy) = self.table(entry, "policy", "[net.policy]") {
                policies += 1;
                if policies > 1 {
                    let help = "keep one; TOML hangs it below the [[net]] entry before it";
                    self.source.error(policy.header.clone(), "a second [net.policy]", help);
                }
                self.net_policy(&policy, part);
            }
            if matches!(value.get_ref(), DeValue::Array(_)) {
                part.nets.extend(self.net(entry));
            }
        }
    }

    fn net(&mut self, table: &Table<'_, 't>) -> Option<Sited<NetRule>> {
        let hosts: Option<Vec<(HostPattern, _)>> = self.parsed(table, "hosts");
        let cidr: Option<Vec<(Cidr, _)>> = self.parsed(table, "cidr");
        let ports = self.ports(table);
        let proto: Option<Vec<(Proto, _)>> = self.word_list(table, "proto");
        let require_name: Option<Evidence> = self.word(table, "require_name");
        let mode = self.entry_mode(table, false, Section::Net);
        let header = table.header.clone();
        if table.has("hosts") && table.has("cidr") {
            let help = "write two [[net]] entries: one for the names, one for the networks";
            self.source
                .error(header, "a [[net]] entry with both `hosts` and `cidr`", help);
        } else if !table.has("hosts") && !table.has("cidr") {
            let help = "write hosts = [\"api.example.com\"] or cidr = [\"127.0.0.0/8\"]";
            self.source
                .error(header, "a [[net]] entry without `hosts` or `cidr`", help);
        }
        for (key, empty) in [
            ("hosts", hosts.as_ref().is_some_and(Vec::is_empty)),
            ("cidr", cidr.as_ref().is_some_and(Vec::is_empty)),
            ("proto", proto.as_ref().is_some_and(Vec::is_empty)),
        ] {
            let written = matches!(table.get(key).map(Spanned::get_ref), Some(DeValue::Array(list)) if list.is_empty());
            if empty && written {
                let help = format!("write {key} = [\"...\"], or take it out");
                self.source
                    .error(table.span(key), format!("`{key}` names nothing"), help);
            }
        }
        if table.has("hosts") && require_name == Some(Evidence::IpOnly) {
            let help = "write require_name = \"sni\", \"dns\" or \"proxy\", or the addresses as cidr";
            let title = "a name cannot be known from the address alone";
            self.source.error(table.span("require_name"), title, help);
        }
        if table.has("cidr") && !table.has("hosts") && require_name.is_some_and(|e| e > Evidence::IpOnly) {
            let help = "take it out: networks are held by address; names go into an entry with `hosts`";
            self.source.warning(
                table.span("require_name"),
                "`require_name` says nothing about networks",
                help,
            );
        }
        let named = table.has("hosts");
        let rule = NetRule {
            at: self.at(table.header.start),
            label: self.label(table),
            mode,
            hosts: hosts.into_iter().flatten().map(|(host, _)| host).collect(),
            cidr: cidr.into_iter().flatten().map(|(cidr, _)| cidr).collect(),
            ports,
            proto: proto.map_or_else(
                || vec![Proto::Tcp],
                |list| list.into_iter().map(|(proto, _)| proto).collect(),
            ),
            require_name: match require_name {
                Some(evidence) if named => evidence,
                None if named => Evidence::Dns,
                _ => Evidence::IpOnly,
            },
        };
        Some(self.sited(table, rule, Vec::new()))
    }

    fn ports(&mut self, table: &Table<'_, 't>) -> Vec<PortRange> {
        let mut ports = Vec::new();
        let Some(list) = self.list(table, "ports") else {
            return ports;
        };
        for item in list {
            let read = match item.get_ref() {
                DeValue::Integer(number) => {
                    let text = number.to_string();
                    let value = i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(-1);
                    PortRange::single(value, &text)
                }
                DeValue::String(text) => text.parse(),
                other => {
                    let title = format!("a port is a number or a text, not {}", named(other));
                    self.source
                        .error(item.span(), title, "write 443, \"8000-8999\" or \"*\"");
                    continue;
                }
            };
            match read {
                Ok(range) => ports.push(range),
                Err(error) => self.source.error(item.span(), error.what, error.help),
            }
        }
        ports
    }

    fn net_policy(&mut self, table: &Table<'_, 't>, part: &mut Part) {
        self.known(table, POLICY);
        let here = self.at(table.header.start);
        let policy = &mut part.net_policy;
        policy.at.push(here);
        policy.mode = self.word(table, "mode");
        let families = self.word_list(table, "families");
        let deny = self.word_list(table, "deny");
        let listen = self.parsed(table, "listen");
        let policy = &mut part.net_policy;
        policy.families = families.map(|list| self.placed(list));
        policy.deny = self.placed(deny.unwrap_or_default());
        policy.listen = self.placed(listen.unwrap_or_default());
    }
}
