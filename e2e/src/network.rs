//! Network between the nodes, the tenants and this machine.
//!
//! Each node has a network namespace. The management node's holds the bridge `node0`, the switch
//! that this machine and all workers are plugged into; it also routes to pods, Services and
//! tenants' addresses.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::{command, feed, lines, output, words};
use crate::layout::Layout;

/// MAC address of the bridge. A bridge without one takes the lowest of its ports', so that a worker
/// that leaves would invalidate all neighbour entries of the management node for half a minute.
const SWITCH: &str = "02:00:ac:1e:00:01";

/// Network namespace by its name.
#[derive(Debug, Clone)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Network namespace of one node.
    pub fn of(layout: &Layout, node: &str) -> Self {
        Self {
            name: layout.named(node),
        }
    }

    /// File that stands for the namespace.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// A command that runs in the namespace.
    pub fn command(&self, line: &str) -> Command {
        let mut command = command("nsenter", [format!("--net={}", self.path().display())]);
        command.args(line.split_whitespace());
        command
    }

    /// Runs lines in the namespace, one after another.
    pub async fn lines(&self, script: &str) -> Result<()> {
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            output(self.command(line)).await?;
        }
        Ok(())
    }

    /// True if the namespace exists.
    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    async fn create(&self) -> Result<()> {
        output(command("ip", ["netns", "add", &self.name])).await?;
        self.lines("ip link set lo up\nsysctl -qw net.ipv4.ip_forward=1")
            .await?;
        // The bridge must not pass frames between nodes to this machine's iptables.
        if Path::new("/proc/sys/net/bridge").exists() {
            self.lines("sysctl -qw net.bridge.bridge-nf-call-iptables=0")
                .await?;
        }
        Ok(())
    }

    /// Removes the namespace with all its devices; does nothing if it does not exist.
    pub async fn remove(&self) -> Result<()> {
        if self.exists() {
            output(command("ip", ["netns", "del", &self.name])).await?;
        }
        Ok(())
    }
}

/// Makes the management node's namespace, plugs this machine into it and routes to it.
pub async fn connect_management(layout: &Layout) -> Result<()> {
    let netns = Netns::of(layout, "mgmt");
    netns.create().await?;
    // Services need a route, which the kernel looks up before it translates their address. There is
    // no default route on purpose: an unknown address is refused at once instead of after half a
    // minute. A pod that connects before its node's kube-proxy has written its rules would wait so
    // long.
    let (node, host, link) = (
        layout.management_ip(),
        layout.host_ip(),
        layout.named("host"),
    );
    netns
        .lines(&format!(
            "ip link add node0 address {SWITCH} type bridge
             ip addr add {node}/24 dev node0
             ip link set node0 up
             ip route add {services} dev node0",
            services = layout.service_cidr,
        ))
        .await?;
    let own = &netns.name;
    lines(&format!(
        "ip link add {link} type veth peer name host0 netns {own}"
    ))
    .await?;
    netns.lines("ip link set host0 master node0 up").await?;
    lines(&format!(
        "ip addr add {host}/24 dev {link}
         ip link set {link} up
         ip route add {pods} via {node}
         ip route add {services} via {node}",
        pods = layout.pod_cidr,
        services = layout.service_cidr,
    ))
    .await?;
    for range in layout.vip_ranges() {
        output(words(&format!("ip route add {range} via {node}"))).await?;
    }
    Ok(())
}

/// Unplugs this machine from the management node. A removed namespace may live on for minutes while
/// the kernel closes its last connections, and its devices with it.
pub async fn disconnect_management(layout: &Layout) -> Result<()> {
    let link = layout.named("host");
    if Path::new("/sys/class/net").join(&link).exists() {
        output(command("ip", ["link", "del", &link])).await?;
    }
    Ok(())
}

/// Makes a worker's namespace and plugs it into the management node's switch.
pub async fn connect_worker(layout: &Layout, name: &str, index: u8) -> Result<()> {
    let (netns, management) = (Netns::of(layout, name), Netns::of(layout, "mgmt"));
    netns.create().await?;
    let (node, own, peer) = (
        layout.management_ip(),
        layout.worker_ip(index),
        &management.name,
    );
    netns
        .lines(&format!(
            "ip link add eth0 type veth peer name {name} netns {peer}"
        ))
        .await?;
    management
        .lines(&format!("ip link set {name} master node0 up"))
        .await?;
    netns
        .lines(&format!(
            "ip addr add {own}/24 dev eth0
             ip link set eth0 up
             ip route add default via {node}"
        ))
        .await?;
    for range in layout.vip_ranges() {
        netns
            .lines(&format!("ip route add {range} via {node}"))
            .await?;
    }
    // Other hosts have no route to the worker's pods, so their traffic leaves with the worker's address.
    let masquerade = format!(
        "table ip testbed {{ chain out {{ type nat hook postrouting priority srcnat; \
         ip saddr != {own} oifname eth0 masquerade; }}; }}"
    );
    feed(netns.command("nft -f -"), &masquerade).await?;
    Ok(())
}
