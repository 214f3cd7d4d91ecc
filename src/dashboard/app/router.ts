// Where we are, as a signal: the path's parts, decoded, and the query. Links within the page are followed without
// loading it again. The address is the only place where a filter or a page of a list is kept.

import { computed, signal } from '@preact/signals'

export interface Place {
  readonly path: string
  readonly query: URLSearchParams
}

function here(): Place {
  return { path: window.location.pathname, query: new URLSearchParams(window.location.search) }
}

export const place = signal<Place>(here())

/** The parts of the path, decoded: `/executions/a%2Fb` is `['executions', 'a/b']`. */
export const parts = computed(() =>
  place.value.path
    .split('/')
    .filter((part) => part !== '')
    .map(decoded),
)

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    // Typed by hand: shown as it stands, and found nowhere.
    return part
  }
}

export function go(to: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  const now = window.location.pathname + window.location.search
  if (to === now) return
  const before = place.value.path
  window.history[replace ? 'replaceState' : 'pushState'](null, '', to)
  place.value = here()
  if (place.value.path !== before) window.scrollTo(0, 0)
}

/** This page with another query; what is undefined or empty is left out. */
export function withQuery(changes: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams(place.value.query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') query.delete(name)
    else query.set(name, value)
  }
  const text = query.toString()
  return place.value.path + (text === '' ? '' : `?${text}`)
}

export function executionPath(executionId: string): string {
  return `/executions/${encodeURIComponent(executionId)}`
}

export function followLinks(): void {
  window.addEventListener('popstate', () => {
    place.value = here()
  })
  document.addEventListener('click', (event) => {
    const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!isPlain || event.defaultPrevented || link === null || link.target !== '') return
    if (link.origin !== window.location.origin || !isPage(link.pathname)) return
    event.preventDefault()
    go(link.pathname + link.search)
  })
}

function isPage(path: string): boolean {
  return !/^\/(?:api|docs|metrics|healthz|readyz)(?:\/|$)/.test(path)
}
