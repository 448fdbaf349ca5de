//! Names of the datastores of a test.

use kamaji_datastore::Driver;

/// One of the datastores: of each driver there may be two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub driver: Driver,
    pub second: bool,
}

impl From<Driver> for Place {
    fn from(driver: Driver) -> Self {
        Self {
            driver,
            second: false,
        }
    }
}

impl Place {
    /// The second server of a driver.
    pub fn second(driver: Driver) -> Self {
        Self {
            driver,
            second: true,
        }
    }

    /// Name of the DataStore.
    pub fn name(self) -> &'static str {
        match (self.driver, self.second) {
            (Driver::Etcd, true) => "etcd-2",
            (Driver::MySql, true) => "mysql-2",
            (Driver::PostgreSql, true) => "postgresql-2",
            (Driver::Nats, true) => "nats-2",
            (driver, _) => name(driver),
        }
    }
}

/// Name of the DataStore of a driver.
pub fn name(driver: Driver) -> &'static str {
    match driver {
        Driver::Etcd => "etcd",
        Driver::MySql => "mysql",
        Driver::PostgreSql => "postgresql",
        Driver::Nats => "nats",
    }
}
