// The main door: authoring, the engine, the client, errors.

export { workflow, type Workflow } from './workflow/define.js'
export type { WorkflowContext, StepContext, StepOptions } from './workflow/context.js'
export { createEngine, type Engine, type EngineOptions } from './engine/create-engine.js'
export type { Client, Handle } from './client/client.js'
export { migrate } from './store/migrate.js'
export { CerebelumError, errorCode } from './core/errors.js'
export { NonRetryableError, CanceledError } from './core/failure.js'
