"""Makes the JSON schema of a settings model."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from tokferry_server.settings.schema_kinds import refined


class SchemaGenerator(GenerateJsonSchema):
    """Says what the checks of values demand; leaves out null, which TOML has not.

    Defaults of the models are left out too: they are not those that hold.
    """

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """Narrow by a check that comes first."""
        inner = self.generate_inner(schema["schema"])
        return refined(schema["function"]["function"], inner)

    def function_after_schema(
        self, schema: core_schema.AfterValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """Narrow by a check that comes after the type's own."""
        inner = self.generate_inner(schema["schema"])
        return refined(schema["function"]["function"], inner)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Describe names and values of a table that is open to any name."""
        return {
            "type": "object",
            "propertyNames": self.generate_inner(schema["keys_schema"]),
            "additionalProperties": self.generate_inner(schema["values_schema"]),
        }

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Describe the value that may be left out."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Describe the value without its default."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles: they would only repeat the key."""
        del schema
        return False
