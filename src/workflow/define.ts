// How a workflow is written down: a name, a version, schemas, and a function of (context, input).

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkName } from '../core/ids.js'
import { CerebelumError } from '../core/errors.js'
import { NAME_CHARACTERS_CEILING } from '../core/limits.js'
import { KEPT_MS_DEFAULT, keptMsOf, type Retention } from '../core/retention.js'
import type { WorkflowContext } from './context.js'
import { checkGates, type GateOptions } from './gates.js'

export interface WorkflowOptions<I, O> extends GateOptions<I> {
  readonly name: string
  /** Recorded with each run; default "1". */
  readonly version?: string
  /** Any Standard Schema (zod, valibot, arktype …); the input that is stored is its output. */
  readonly input?: StandardSchemaV1<unknown, I>
  readonly output?: StandardSchemaV1<unknown, O>
  /** Signals and their schemas, checked when they are sent. */
  readonly signals?: Readonly<Record<string, StandardSchemaV1>>
  /** How long closed executions are kept: a span, `off` for good, or one of these by status; default: the engine's. */
  readonly retention?: Retention
}

export interface Workflow<I = unknown, O = unknown> {
  readonly name: string
  readonly version: string
  readonly options: WorkflowOptions<unknown, unknown>
  // Method syntax, so that workflows of any input fit `Workflow` (registration lists).
  run(ctx: WorkflowContext, input: I): Promise<O>
}

/**
 * Defines a workflow.
 * @param options name (1 to 100 printable characters, or what the engine's limits say), version, schemas, limits
 * @param run deterministic: touches the world only through `ctx`
 * @throws CerebelumError INVALID_NAME | INVALID_ARGUMENT | INVALID_DURATION
 *
 * @example
 * export const greet = workflow({ name: 'greet', input: z.string() }, async (ctx, name) =>
 *   ctx.step('compose', () => `Hello ${name}`))
 */
export function workflow<I = unknown, O = unknown>(
  options: WorkflowOptions<I, O>,
  run: (ctx: WorkflowContext, input: I) => Promise<O>,
): Workflow<I, O> {
  checkName(options.name, 'workflow name', NAME_CHARACTERS_CEILING)
  const version = checkName(options.version ?? '1', 'workflow version', NAME_CHARACTERS_CEILING)
  if (typeof run !== 'function') {
    throw new CerebelumError(
      'INVALID_ARGUMENT',
      `Workflow "${options.name}" has no function to run. Pass one as second argument.`,
    )
  }
  checkGates(options.name, options)
  keptMsOf(options.retention, `workflow "${options.name}"`, KEPT_MS_DEFAULT)
  return Object.freeze({ name: options.name, version, options, run })
}
