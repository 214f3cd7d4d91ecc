// What a workflow takes, as JSON Schema, when its schema can tell (the Standard Schema's extension for it: zod 4 has it).

import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec'
import type { Workflow } from '../workflow/define.js'

export function inputSchemaOf(definition: Workflow | undefined): Record<string, unknown> | undefined {
  const schema = definition?.options.input
  if (schema === undefined || !canTell(schema)) return undefined
  try {
    return schema['~standard'].jsonSchema.input({ target: 'draft-2020-12' })
  } catch {
    // Some of what a schema checks has no counterpart there: then it is not told at all.
    return undefined
  }
}

function canTell(schema: StandardSchemaV1 | StandardJSONSchemaV1): schema is StandardJSONSchemaV1 {
  return 'jsonSchema' in schema['~standard']
}
