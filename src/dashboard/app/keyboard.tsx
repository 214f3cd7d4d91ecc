// The keyboard: j and k walk the rows of a page, Enter opens, x picks, / searches, g and a letter goes somewhere,
// ? explains. It moves the focus and nothing else, so that the browser and screen readers know where we are.

import { signal } from '@preact/signals'
import { after } from './clock.js'
import { Dialog } from './parts/dialog.js'
import { go } from './router.js'

const PLACES: Readonly<Record<string, { readonly path: string; readonly name: string }>> = {
  e: { path: '/', name: 'executions' },
  a: { path: '/?status=failed,blocked,dead', name: 'executions that need attention' },
  t: { path: '/charts', name: 'charts' },
  c: { path: '/cluster', name: 'cluster' },
  s: { path: '/schedules', name: 'schedules' },
  d: { path: '/dead-letters', name: 'dead letters' },
  w: { path: '/workflows', name: 'workflows' },
}

const isHelpShown = signal(false)
let isGoing = false

export function showKeys(): void {
  isHelpShown.value = true
}

export function listenToKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
    if (document.querySelector('dialog[open]') !== null) return
    if (handle(event.key)) event.preventDefault()
  })
}

function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return target.type !== 'checkbox'
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}

function handle(key: string): boolean {
  if (isGoing) {
    isGoing = false
    const destination = PLACES[key]
    if (destination !== undefined) go(destination.path)
    return destination !== undefined
  }
  switch (key) {
    case 'j':
      return step(1)
    case 'k':
      return step(-1)
    case 'x':
      return pick()
    case '/':
      return focusSearch()
    case '?':
      showKeys()
      return true
    case 'g':
      isGoing = true
      after(1_500, () => {
        isGoing = false
      })
      return true
    default:
      return false
  }
}

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('main [data-row]')]
}

function step(by: 1 | -1): boolean {
  const all = rows()
  const at = all.findIndex((row) => row === document.activeElement || isBeside(row))
  const next = all[at === -1 ? (by === 1 ? 0 : all.length - 1) : at + by]
  next?.focus()
  next?.scrollIntoView({ block: 'nearest' })
  return true
}

/** Something else in the same line has the focus, such as its box. */
function isBeside(row: HTMLElement): boolean {
  const line = row.closest('tr, li')
  return line !== null && document.activeElement !== null && line.contains(document.activeElement)
}

function pick(): boolean {
  const box = document.activeElement?.closest('tr')?.querySelector<HTMLInputElement>('input[type=checkbox]')
  box?.click()
  return box !== undefined && box !== null
}

function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>('[data-search]')
  if (field === null) {
    go('/')
    after(50, () => document.querySelector<HTMLInputElement>('[data-search]')?.focus())
    return true
  }
  field.focus()
  field.select()
  return true
}

export function KeyboardHelp() {
  if (!isHelpShown.value) return null
  const keys: [string, string][] = [
    ['j k', 'next and previous row'],
    ['Enter', 'open it'],
    ['x', 'pick it for a bulk action'],
    ['/', 'search'],
    ...Object.entries(PLACES).map(([key, { name }]): [string, string] => [`g ${key}`, `go to ${name}`]),
    ['Esc', 'close a dialog'],
    ['?', 'this list'],
  ]
  return (
    <Dialog title="Keyboard" onClose={() => (isHelpShown.value = false)}>
      <dl class="keys">
        {keys.map(([key, meaning]) => (
          <>
            <dt>
              {key.split(' ').map((one) => (
                <>
                  <kbd>{one}</kbd>{' '}
                </>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </>
        ))}
      </dl>
    </Dialog>
  )
}
