// The context handed to a workflow function: checks arguments and turns calls into commands of its instance.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkAttributes } from '../core/attributes.js'
import { checkPriority } from '../core/priority.js'
import { checkInstant, durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import type { Attributes } from '../core/execution.js'
import { checkId, checkName, cutText } from '../core/ids.js'
import type { Logger } from '../core/ports.js'
import { DEFAULT_RETRY, resolveRetry, type ResolvedRetryPolicy } from '../core/retry.js'
import { seededUuid } from './chance.js'
import type { ChildOptions, StepContext, StepOptions, WorkflowContext } from './context.js'
import type { Workflow } from './define.js'
import type { Instance } from './instance.js'

const NO_OPTIONS: StepOptions<unknown> = Object.freeze({})

/** The context of one run. */
export function makeContext(instance: Instance): WorkflowContext {
  // The overloads of the interface promise types that only the recorded values can keep.
  return new Context(instance) as unknown as WorkflowContext
}

// A class: an object of closures for each run would cost as much memory as all the rest of a run.
class Context {
  readonly #instance: Instance
  #log: Logger | undefined

  constructor(instance: Instance) {
    this.#instance = instance
  }

  get executionId(): string {
    return this.#instance.options.executionId
  }
  get run(): number {
    return this.#instance.options.run
  }
  get workflow(): string {
    return this.#instance.options.definition.name
  }
  get log(): Logger {
    return (this.#log ??= quietWhileReplaying(this.#instance))
  }

  step(name: string, work: (step: StepContext) => unknown, options: StepOptions<unknown> = NO_OPTIONS) {
    checkName(name, 'step name', this.#nameMax)
    checkFunction(work, `step "${name}"`)
    const retry = checkStepOptions(name, options)
    const undo = options.compensate
    const onResolve =
      undo === undefined
        ? undefined
        : (result: unknown): void =>
            this.#instance.onFailure(cutText(`undo ${name}`, this.#nameMax), (step) => undo(result, step))
    return this.#instance.issue({ kind: 'step', name, work, options, retry }, onResolve)
  }

  transaction(name: string, work: (sql: never) => Promise<unknown>) {
    checkName(name, 'step name', this.#nameMax)
    checkFunction(work, `transaction "${name}"`)
    return this.#instance.issue({ kind: 'transaction', name, work: (sql) => work(sql as never) })
  }

  sleep(until: number | string | Date) {
    if (until instanceof Date) {
      return this.#instance.issue({ kind: 'sleep', name: '', until: checkInstant(until, 'end of ctx.sleep') })
    }
    return this.#instance.issue({ kind: 'sleep', name: '', delayMs: durationMs(until, 'time to sleep') })
  }

  signal(name: string, schema: StandardSchemaV1, options: { timeout?: number | string } = {}) {
    checkName(name, 'signal name', this.#nameMax)
    checkSchema(schema, `signal "${name}"`)
    const timeoutMs =
      options.timeout === undefined ? undefined : durationMs(options.timeout, `time-out of signal "${name}"`)
    return this.#instance.issue({ kind: 'signal', name, schema, timeoutMs })
  }

  onQuery(name: string, handler: (args: unknown) => unknown) {
    checkName(name, 'query name', this.#nameMax)
    checkFunction(handler, `query "${name}"`)
    this.#instance.queries.set(name, handler)
  }

  onUpdate(
    name: string,
    schema: StandardSchemaV1,
    handle: (value: never) => unknown,
    options: { validate?: (value: never) => void } = {},
  ) {
    checkName(name, 'update name', this.#nameMax)
    checkSchema(schema, `update "${name}"`)
    checkFunction(handle, `update "${name}"`)
    const { validate } = options
    this.#instance.updates.set(name, {
      schema,
      handle: (value) => handle(value as never),
      validate: validate === undefined ? undefined : (value) => validate(value as never),
    })
  }

  child(workflow: Workflow | string, input: unknown, options: ChildOptions = {}) {
    const name = typeof workflow === 'string' ? workflow : workflow.name
    const known = typeof workflow === 'string' ? undefined : workflow
    const detach = options.detach === true
    const closePolicy = options.closePolicy ?? (detach ? 'abandon' : 'terminate')
    checkClosePolicy(closePolicy, name)
    // Derived, so that a replay finds the same child; bounded, because children have children.
    const childId = checkId(
      options.id ?? childIdOf(this.#instance),
      'child id',
      this.#instance.limits.idCharactersMax,
    )
    if (childId === this.executionId) {
      throw new CerebelumError(
        'INVALID_ID',
        `Execution "${childId}" cannot be its own child. Give the child another id, or none.`,
        { executionId: childId },
      )
    }
    return this.#instance.issue({
      kind: 'child',
      name,
      workflow: name,
      workflowVersion: known?.version,
      inputSchema: known?.options.input,
      childId,
      input,
      detach,
      closePolicy,
      attributes:
        options.attributes === undefined
          ? undefined
          : checkAttributes(options.attributes, `child "${childId}"`, this.#instance.limits),
      priority:
        options.priority === undefined ? undefined : checkPriority(options.priority, `child "${childId}"`),
      key:
        options.key === undefined
          ? undefined
          : checkId(options.key, `key of child "${childId}"`, this.#instance.limits.idCharactersMax),
    })
  }

  continueAsNew(input: unknown) {
    this.#instance.end({ kind: 'continued', input })
    return new Promise<never>(() => {})
  }

  compensate(name: string, undo: (step: StepContext) => unknown) {
    checkName(name, 'compensation name', this.#nameMax)
    checkFunction(undo, `compensation "${name}"`)
    this.#instance.onFailure(name, undo)
  }

  setAttributes(attributes: Attributes) {
    const merged = { ...this.#instance.attributes, ...attributes }
    this.#instance.note('attributes', '', (seq) => {
      checkAttributes(attributes, `execution "${this.executionId}"`, this.#instance.limits)
      checkAttributes(merged, `execution "${this.executionId}"`, this.#instance.limits)
      return {
        kind: 'note',
        event: { type: 'attributes_set', seq, detail: JSON.stringify(attributes) },
        attributes,
      }
    })
    this.#instance.attributes = merged
  }

  patched(id: string) {
    return this.#instance.patched(checkName(id, 'patch id', this.#nameMax))
  }

  get isCanceled() {
    return this.#instance.isCanceled
  }

  now() {
    return new Date(this.#instance.nowMs)
  }
  random() {
    return this.#instance.random()
  }
  uuid() {
    return uuidOf(this.#instance)
  }

  get #nameMax(): number {
    return this.#instance.limits.nameCharactersMax
  }
}

function uuidOf(instance: Instance): string {
  return seededUuid(() => instance.random())
}

function childIdOf(instance: Instance): string {
  const { executionId } = instance.options
  const { idCharactersMax } = instance.limits
  const id = `${executionId}/${uuidOf(instance).slice(0, 13)}`
  if (id.length <= idCharactersMax) return id
  const uuid = uuidOf(instance)
  return `${cutText(executionId, Math.max(1, Math.min(100, idCharactersMax - uuid.length - 1)))}/${uuid}`
}

/** Here, where the author can catch it, and not when an attempt begins. */
function checkStepOptions(name: string, options: StepOptions<unknown>): ResolvedRetryPolicy {
  if (options === NO_OPTIONS) return DEFAULT_RETRY
  const { timeout, totalTimeout, heartbeatTimeout } = options
  for (const [what, duration] of Object.entries({ timeout, totalTimeout, heartbeatTimeout })) {
    if (duration !== undefined) durationMs(duration, `${what} of step "${name}"`)
  }
  return resolveRetry(options.retry, name)
}

const CLOSE_POLICIES: ReadonlySet<string> = new Set(['terminate', 'cancel', 'abandon'])

function checkClosePolicy(policy: string, child: string): void {
  if (CLOSE_POLICIES.has(policy)) return
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `The close policy of child "${child}" is ${JSON.stringify(policy)}. It is one of terminate, cancel and abandon.`,
  )
}

/** None at all takes everything; what is no schema would refuse everything, and nobody would know why. */
function checkSchema(schema: unknown, what: string): void {
  if (schema === undefined || Object(schema)['~standard']?.validate !== undefined) return
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `The schema of ${what} is no Standard Schema (https://standardschema.dev). Pass one of zod, valibot, arktype or the like.`,
  )
}

function checkFunction(value: unknown, what: string): void {
  if (typeof value === 'function') return
  throw new CerebelumError(
    'INVALID_ARGUMENT',
    `The ${what} has no function to run, but ${typeof value}. Pass a function.`,
  )
}

function quietWhileReplaying(instance: Instance): Logger {
  const { log, executionId, definition } = instance.options
  const bound = { executionId, workflow: definition.name }
  const speak = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    if (!instance.isReplaying) log[level]({ ...bound, ...fields }, message)
  }
  return { debug: speak('debug'), info: speak('info'), warn: speak('warn'), error: speak('error') }
}
