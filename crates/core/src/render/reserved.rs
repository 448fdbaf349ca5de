//! Names and mount paths in the pod template that renderers use themselves, so that nothing of a user's may have
//! them.

use super::{
    deployment::{component::Component, kine, konnectivity, volumes},
    renderer::Renderer,
};

/// Containers that every renderer has, whatever the datastore and the addons.
const CONTAINERS: [&str; 6] = [
    Component::ApiServer.name(),
    Component::Scheduler.name(),
    Component::ControllerManager.name(),
    kine::NAME,
    kine::CHMOD,
    konnectivity::NAME,
];

/// Names that the pod template of a tenant uses itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Names of containers and init containers.
    pub containers: Vec<&'static str>,
    /// Names of volumes, whatever the datastore and the addons.
    pub volumes: Vec<&'static str>,
    renderers: Vec<Renderer>,
}

impl Reserved {
    /// Names of a tenant whose status records the renderer `recorded`: those of this renderer and of every newer
    /// one, since the tenant moves to the newest with its next upgrade. Without a record, or with one that this
    /// build does not know, those of every renderer.
    pub fn of(recorded: Option<&str>) -> Self {
        let oldest = recorded.and_then(Renderer::parse);
        Self::by(
            Renderer::ALL
                .into_iter()
                .filter(|renderer| oldest.is_none_or(|oldest| *renderer >= oldest)),
        )
    }

    /// Names of the given renderers.
    pub fn by(renderers: impl IntoIterator<Item = Renderer>) -> Self {
        let renderers: Vec<Renderer> = renderers.into_iter().collect();
        Self {
            containers: union(&renderers, containers),
            volumes: union(&renderers, volumes),
            renderers,
        }
    }

    /// Paths at which the container of `component` has mounts, whatever the datastore and the addons.
    pub fn mount_paths(&self, component: Component) -> Vec<&'static str> {
        union(&self.renderers, |renderer| mounts(renderer, component))
    }
}

fn containers(renderer: Renderer) -> &'static [&'static str] {
    match renderer {
        Renderer::V1 | Renderer::V2 => &CONTAINERS,
        #[cfg(test)]
        Renderer::V3 => &["of-renderer-3"],
    }
}

fn volumes(renderer: Renderer) -> &'static [&'static str] {
    match renderer {
        Renderer::V1 | Renderer::V2 => &volumes::NAMES,
        #[cfg(test)]
        Renderer::V3 => &["of-renderer-3"],
    }
}

fn mounts(renderer: Renderer, component: Component) -> &'static [&'static str] {
    match renderer {
        Renderer::V1 | Renderer::V2 => volumes::mount_paths(component),
        #[cfg(test)]
        Renderer::V3 => &["/of-renderer-3"],
    }
}

/// Items of all renderers, each once, in the order of the oldest renderer that has them.
fn union(
    renderers: &[Renderer],
    items: impl Fn(Renderer) -> &'static [&'static str],
) -> Vec<&'static str> {
    let mut all = Vec::new();
    for item in renderers.iter().flat_map(|renderer| items(*renderer)) {
        if !all.contains(item) {
            all.push(*item);
        }
    }
    all
}

#[cfg(test)]
mod tests;
