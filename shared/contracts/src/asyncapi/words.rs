//! The shapes of the words whose JSON is written by hand.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{AdditionalProperties, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type},
    },
};

use crate::{
    asset::{AssetId, Units},
    ids::AccountId,
    money::{Currency, Money},
};

fn text(pattern: &str, about: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.pattern(Some(pattern)).description(Some(about)).into()
}

impl PartialSchema for AccountId {
    fn schema() -> RefOr<Schema> {
        text("^[A-Za-z0-9][A-Za-z0-9._|@:-]{0,63}$", "Who a booking belongs to.")
    }
}
impl ToSchema for AccountId {}

impl PartialSchema for AssetId {
    fn schema() -> RefOr<Schema> {
        text("^[a-z0-9-]{1,40}$", "The name of an asset in the registry.")
    }
}
impl ToSchema for AssetId {}

impl PartialSchema for Units {
    fn schema() -> RefOr<Schema> {
        text("^[0-9]+$", "An amount in the smallest unit of an asset, of up to 256 bits.")
    }
}
impl ToSchema for Units {}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        let scale = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(0));
        ObjectBuilder::new()
            .property("minor", text("^[+-]?[0-9]+$", "So many minor units."))
            .property("scale", scale)
            .property("currency", utoipa::openapi::Ref::from_schema_name("Currency"))
            .required("minor")
            .required("scale")
            .required("currency")
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
            .description(Some("An amount in minor units of a currency."))
            .into()
    }
}
impl ToSchema for Money {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Currency::name().into_owned(), Currency::schema()));
    }
}
