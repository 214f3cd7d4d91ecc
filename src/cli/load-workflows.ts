// Finds workflows in modules of the user's: everything they export that `workflow()` made. Recognized by its form, so
// that a second copy of the package in the user's tree does no harm.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CerebelumError } from '../core/errors.js'
import type { Workflow } from '../workflow/define.js'

/** @throws CerebelumError SETTINGS when a module cannot be loaded or exports no workflow */
export async function loadWorkflows(paths: readonly string[]): Promise<Workflow[]> {
  const found = new Set<Workflow>()
  for (const path of paths) {
    const exported = Object.values(await load(path)).filter(isWorkflow)
    if (exported.length === 0) {
      throw new CerebelumError(
        'SETTINGS',
        `The module ${path} exports no workflow. Export what \`workflow()\` returns by name or as default.`,
      )
    }
    for (const workflow of exported) found.add(workflow)
  }
  return [...found]
}

async function load(path: string): Promise<object> {
  try {
    const loaded: unknown = await import(pathToFileURL(resolve(path)).href)
    return Object(loaded)
  } catch (cause) {
    throw new CerebelumError(
      'SETTINGS',
      `The module ${path} cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        'Give the path of a JavaScript module (TypeScript is compiled before).',
      { cause },
    )
  }
}

function isWorkflow(value: unknown): value is Workflow {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'version' in value &&
    typeof value.version === 'string' &&
    'options' in value &&
    'run' in value &&
    typeof value.run === 'function'
  )
}
