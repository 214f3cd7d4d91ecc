// The context handed to a workflow function: checks arguments and turns calls into commands of its instance.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkAttributes } from '../core/attributes.js'
import { checkInstant, durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import type { Attributes } from '../core/execution.js'
import { checkId, checkName, cutText } from '../core/ids.js'
import type { Logger } from '../core/ports.js'
import { resolveRetry } from '../core/retry.js'
import { seededUuid } from './chance.js'
import type { ChildOptions, StepContext, StepOptions, WorkflowContext } from './context.js'
import type { Workflow } from './define.js'
import type { Instance } from './instance.js'

export function makeContext(instance: Instance): WorkflowContext {
  const { executionId, run, definition } = instance.options
  const { nameCharactersMax: nameMax, idCharactersMax } = instance.limits
  const context = {
    executionId,
    run,
    workflow: definition.name,
    log: quietWhileReplaying(instance),

    step(name: string, work: (step: StepContext) => unknown, options: StepOptions<unknown> = {}) {
      checkName(name, 'step name', nameMax)
      checkFunction(work, `step "${name}"`)
      checkStepOptions(name, options)
      const undo = options.compensate
      const onResolve =
        undo === undefined
          ? undefined
          : (result: unknown): void =>
              instance.onFailure(cutText(`undo ${name}`, nameMax), (step) => undo(result, step))
      return instance.issue({ kind: 'step', name, work, options }, onResolve)
    },
    transaction(name: string, work: (sql: never) => Promise<unknown>) {
      checkName(name, 'step name', nameMax)
      checkFunction(work, `transaction "${name}"`)
      return instance.issue({ kind: 'transaction', name, work: (sql) => work(sql as never) })
    },
    sleep(until: number | string | Date) {
      if (until instanceof Date) {
        return instance.issue({ kind: 'sleep', name: '', until: checkInstant(until, 'end of ctx.sleep') })
      }
      return instance.issue({ kind: 'sleep', name: '', delayMs: durationMs(until, 'time to sleep') })
    },
    signal(name: string, schema: StandardSchemaV1, options: { timeout?: number | string } = {}) {
      checkName(name, 'signal name', nameMax)
      const timeoutMs =
        options.timeout === undefined
          ? undefined
          : durationMs(options.timeout, `time-out of signal "${name}"`)
      return instance.issue({ kind: 'signal', name, schema, timeoutMs })
    },
    onQuery(name: string, handler: (args: unknown) => unknown) {
      checkName(name, 'query name', nameMax)
      instance.queries.set(name, handler)
    },
    onUpdate(
      name: string,
      schema: StandardSchemaV1,
      handle: (value: never) => unknown,
      options: { validate?: (value: never) => void } = {},
    ) {
      checkName(name, 'update name', nameMax)
      const { validate } = options
      instance.updates.set(name, {
        schema,
        handle: (value) => handle(value as never),
        validate: validate === undefined ? undefined : (value) => validate(value as never),
      })
    },
    child(workflow: Workflow | string, input: unknown, options: ChildOptions = {}) {
      const name = typeof workflow === 'string' ? workflow : workflow.name
      const known = typeof workflow === 'string' ? undefined : workflow
      const detach = options.detach === true
      // Derived, so that a replay finds the same child; bounded, because children have children.
      const childId = checkId(options.id ?? childIdOf(instance), 'child id', idCharactersMax)
      return instance.issue({
        kind: 'child',
        name,
        workflow: name,
        workflowVersion: known?.version,
        inputSchema: known?.options.input,
        childId,
        input,
        detach,
        closePolicy: options.closePolicy ?? (detach ? 'abandon' : 'terminate'),
        attributes:
          options.attributes === undefined
            ? undefined
            : checkAttributes(options.attributes, `child "${childId}"`, instance.limits),
      })
    },
    continueAsNew(input: unknown) {
      instance.end({ kind: 'continued', input })
      return new Promise<never>(() => {})
    },
    compensate(name: string, undo: (step: StepContext) => unknown) {
      checkName(name, 'compensation name', nameMax)
      checkFunction(undo, `compensation "${name}"`)
      instance.onFailure(name, undo)
    },
    setAttributes(attributes: Attributes) {
      const merged = { ...instance.attributes, ...attributes }
      instance.note('attributes', '', (seq) => {
        checkAttributes(attributes, `execution "${executionId}"`, instance.limits)
        checkAttributes(merged, `execution "${executionId}"`, instance.limits)
        return {
          kind: 'note',
          event: { type: 'attributes_set', seq, detail: JSON.stringify(attributes) },
          attributes,
        }
      })
      instance.attributes = merged
    },
    patched: (id: string) => instance.patched(checkName(id, 'patch id', nameMax)),
    get isCanceled() {
      return instance.isCanceled
    },
    now: () => new Date(instance.nowMs),
    random: instance.random,
    uuid: () => seededUuid(instance.random),
  }
  // The overloads of the interface promise types that only the recorded values can keep.
  return context as unknown as WorkflowContext
}

function childIdOf(instance: Instance): string {
  const { executionId } = instance.options
  const { idCharactersMax } = instance.limits
  const id = `${executionId}/${seededUuid(instance.random).slice(0, 13)}`
  if (id.length <= idCharactersMax) return id
  const uuid = seededUuid(instance.random)
  return `${cutText(executionId, Math.max(1, Math.min(100, idCharactersMax - uuid.length - 1)))}/${uuid}`
}

/** Here, where the author can catch it, and not when an attempt begins. */
function checkStepOptions(name: string, options: StepOptions<unknown>): void {
  resolveRetry(options.retry, name)
  const { timeout, totalTimeout, heartbeatTimeout } = options
  for (const [what, duration] of Object.entries({ timeout, totalTimeout, heartbeatTimeout })) {
    if (duration !== undefined) durationMs(duration, `${what} of step "${name}"`)
  }
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
