use kamaji_api::datastore::Driver;

use super::*;

fn store() -> ResolvedDataStore {
    ResolvedDataStore {
        name: "pg".to_owned(),
        driver: Driver::PostgreSql,
        endpoints: vec!["10.0.0.5:5432".to_owned(), "[fd00::5]:5432".to_owned()],
        tls: None,
        basic_auth: Some(("kamaji".to_owned(), "of-the-operator".to_owned())),
        without_access_control: false,
        adopted_clusters: Vec::new(),
    }
}

#[tokio::test]
async fn a_postgresql_data_store_is_opened_as_its_administrator_without_a_request() {
    let connection = connection(&store()).unwrap();
    assert_eq!(
        connection.to_string(),
        "PostgreSQL 10.0.0.5:5432,[fd00::5]:5432"
    );
    let administrator = connection.basic_auth.as_ref().unwrap();
    assert_eq!(administrator.user, "kamaji");
    assert_eq!(administrator.password.expose(), "of-the-operator");
    assert!(datastore::connect(&connection).await.is_ok());
}

#[test]
fn a_tenancy_on_postgresql_has_the_password_of_its_binding() {
    let owner = Owner {
        cluster: "c".to_owned(),
        tenant: "t".to_owned(),
        ..Owner::default()
    };
    let binding = Binding {
        schema: "cp-a".to_owned(),
        user: "cp-a".to_owned(),
        password: "of-the-tenant".to_owned(),
        connection: "10.0.0.5:5432".to_owned(),
        owner,
        recorded: true,
        adopts: None,
        part: Vec::new(),
        access: kamaji_core::binding::Access::ReadWrite,
    };
    let tenancy = tenancy(&store(), &binding).unwrap();
    assert_eq!(tenancy.password, Some(Secret::new("of-the-tenant")));
    assert!(tenancy.recorded);
}
