// Values against Standard Schemas (https://standardschema.dev): the one place that calls `~standard`.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { CerebelumError, type ErrorDetails } from '../core/errors.js'

/**
 * The schema's output for a value, or the error of what is wrong with it.
 * @throws CerebelumError with the given code
 */
export async function validate(
  schema: StandardSchemaV1 | undefined,
  value: unknown,
  what: string,
  code: 'INVALID_INPUT' | 'INVALID_OUTPUT',
  details: ErrorDetails = {},
): Promise<unknown> {
  if (schema === undefined) return value
  const checked = await check(schema, value, { what, code, details })
  if (checked.issues === undefined) return checked.value
  const issues = checked.issues.slice(0, 10).map((issue) => {
    const path = (issue.path ?? [])
      .map((part) => String(typeof part === 'object' ? part.key : part))
      .join('.')
    return path === '' ? issue.message : `${path}: ${issue.message}`
  })
  throw new CerebelumError(
    code,
    `The ${what} does not match its schema: ${issues.join('; ')}. Send one that does.`,
    {
      ...details,
      issues,
    },
  )
}

/** A schema that throws instead of telling issues refuses the value all the same. */
async function check(
  schema: StandardSchemaV1,
  value: unknown,
  { what, code, details }: { what: string; code: 'INVALID_INPUT' | 'INVALID_OUTPUT'; details: ErrorDetails },
): Promise<StandardSchemaV1.Result<unknown>> {
  try {
    return await schema['~standard'].validate(value)
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new CerebelumError(code, `The schema of the ${what} threw: ${text}. Check the schema.`, {
      ...details,
      cause,
    })
  }
}
