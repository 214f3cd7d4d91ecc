// The context handed to a workflow function: checks arguments and turns calls into commands of its instance.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { checkId, checkName } from '../core/ids.js'
import { DEFAULT_LIMITS } from '../core/limits.js'
import type { Logger } from '../core/ports.js'
import { resolveRetry } from '../core/retry.js'
import { seededUuid } from './chance.js'
import type { ChildOptions, StepContext, StepOptions, WorkflowContext } from './context.js'
import type { Workflow } from './define.js'
import type { Instance } from './instance.js'

const NAME_MAX = DEFAULT_LIMITS.nameCharactersMax

export function makeContext(instance: Instance): WorkflowContext {
  const { executionId, run, definition } = instance.options
  const context = {
    executionId,
    run,
    workflow: definition.name,
    log: quietWhileReplaying(instance),

    step(name: string, work: (step: StepContext) => unknown, options: StepOptions<unknown> = {}) {
      checkName(name, 'step name', NAME_MAX)
      checkFunction(work, `step "${name}"`)
      resolveRetry(options.retry, name)
      const undo = options.compensate
      const onResolve =
        undo === undefined
          ? undefined
          : (result: unknown): void =>
              instance.onFailure(`undo ${name}`.slice(0, NAME_MAX), (step) => undo(result, step))
      return instance.issue({ kind: 'step', name, work, options }, onResolve)
    },
    transaction(name: string, work: (sql: never) => Promise<unknown>) {
      checkName(name, 'step name', NAME_MAX)
      checkFunction(work, `transaction "${name}"`)
      return instance.issue({ kind: 'transaction', name, work: (sql) => work(sql as never) })
    },
    sleep(until: number | string | Date) {
      if (until instanceof Date) {
        if (Number.isNaN(until.getTime())) {
          throw new CerebelumError(
            'INVALID_DURATION',
            'ctx.sleep got an invalid Date. Check how it was made.',
            { executionId },
          )
        }
        return instance.issue({ kind: 'sleep', name: '', until })
      }
      return instance.issue({ kind: 'sleep', name: '', delayMs: durationMs(until, 'time to sleep') })
    },
    signal(name: string, schema: StandardSchemaV1, options: { timeout?: number | string } = {}) {
      checkName(name, 'signal name', NAME_MAX)
      const timeoutMs =
        options.timeout === undefined
          ? undefined
          : durationMs(options.timeout, `time-out of signal "${name}"`)
      return instance.issue({ kind: 'signal', name, schema, timeoutMs })
    },
    onQuery(name: string, handler: (args: unknown) => unknown) {
      checkName(name, 'query name', NAME_MAX)
      instance.queries.set(name, handler)
    },
    onUpdate(
      name: string,
      schema: StandardSchemaV1,
      handle: (value: never) => unknown,
      options: { validate?: (value: never) => void } = {},
    ) {
      checkName(name, 'update name', NAME_MAX)
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
      const childId = checkId(options.id ?? childIdOf(instance), 'child id', DEFAULT_LIMITS.idCharactersMax)
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
        attributes: options.attributes,
      })
    },
    continueAsNew(input: unknown) {
      instance.end({ kind: 'continued', input })
      return new Promise<never>(() => {})
    },
    compensate(name: string, undo: (step: StepContext) => unknown) {
      checkName(name, 'compensation name', NAME_MAX)
      checkFunction(undo, `compensation "${name}"`)
      instance.onFailure(name, undo)
    },
    setAttributes(attributes: Readonly<Record<string, string | number | boolean | null>>) {
      instance.note('attributes', '', (seq) => ({
        kind: 'note',
        event: { type: 'attributes_set', seq, detail: JSON.stringify(attributes) },
        attributes,
      }))
    },
    patched: (id: string) => instance.patched(checkName(id, 'patch id', NAME_MAX)),
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
  const id = `${executionId}/${seededUuid(instance.random).slice(0, 13)}`
  return id.length <= DEFAULT_LIMITS.idCharactersMax
    ? id
    : `${executionId.slice(0, 100)}/${seededUuid(instance.random)}`
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
