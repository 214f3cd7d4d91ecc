// Short messages about what was just done. Read out by screen readers, gone by themselves; failures stay longer.

import { signal } from '@preact/signals'
import { ApiError } from '../api/request.js'
import { after } from '../clock.js'

interface Toast {
  readonly id: number
  readonly text: string
  readonly isFailure: boolean
}

const toasts = signal<readonly Toast[]>([])
const TOASTS_MAX = 4
let lastId = 0

export function toast(text: string, { isFailure = false }: { readonly isFailure?: boolean } = {}): void {
  const id = ++lastId
  toasts.value = [...toasts.value, { id, text, isFailure }].slice(-TOASTS_MAX)
  after(isFailure ? 10_000 : 4_000, () => {
    toasts.value = toasts.value.filter((one) => one.id !== id)
  })
}

/** Does it and says how it went; true when it went well. */
export async function attempt(what: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    toast(what)
    return true
  } catch (error) {
    toast(textOf(error), { isFailure: true })
    return false
  }
}

export function textOf(error: unknown): string {
  if (error instanceof ApiError) return `${error.code}: ${error.message}`
  return error instanceof Error ? error.message : String(error)
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, isFailure }) => (
        <div key={id} class={isFailure ? 'toast failed' : 'toast'}>
          {text}
        </div>
      ))}
    </div>
  )
}
