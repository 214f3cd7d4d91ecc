// The views above the list: those given and those saved; what is filtered now can be saved under a name.

import { useState } from 'preact/hooks'
import { Dialog } from '../parts/dialog.js'
import { DialogEnd } from '../parts/dialog-end.js'
import { place } from '../router.js'
import { forgetView, GIVEN, isSameQuery, savedViews, saveView } from './views.js'

const NAME_CHARACTERS_MAX = 40

export function ViewTabs() {
  const [isNaming, setIsNaming] = useState(false)
  const query = place.value.query.toString()
  const isKnown = [...GIVEN, ...savedViews.value].some((view) => isSameQuery(view.query, query))
  return (
    <nav class="tabs" aria-label="Views">
      {[...GIVEN, ...savedViews.value].map(({ name, query: of }) => (
        <a
          key={name}
          class="tab"
          href={of === '' ? '/' : `/?${of}`}
          aria-current={isSameQuery(of, query) ? 'true' : undefined}
        >
          {name}
        </a>
      ))}
      {!isKnown && (
        <button type="button" class="button quiet small" onClick={() => setIsNaming(true)}>
          Save view…
        </button>
      )}
      {savedViews.value
        .filter((view) => isSameQuery(view.query, query))
        .map(({ name }) => (
          <button key={name} type="button" class="button quiet small" onClick={() => forgetView(name)}>
            Forget “{name}”
          </button>
        ))}
      {isNaming && <NameDialog query={query} onClose={() => setIsNaming(false)} />}
    </nav>
  )
}

function NameDialog({ query, onClose }: { readonly query: string; readonly onClose: () => void }) {
  const [name, setName] = useState('')
  const isTaken = GIVEN.some((view) => view.name === name.trim())
  const save = (): void => {
    const kept = new URLSearchParams(query)
    kept.delete('cursor')
    saveView({ name: name.trim(), query: kept.toString() })
    onClose()
  }
  return (
    <Dialog title="Save this view" onClose={onClose} onSubmit={save}>
      <label class="labeled">
        <span>Name (kept in this browser)</span>
        <input
          class="field"
          maxLength={NAME_CHARACTERS_MAX}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <DialogEnd submit="Save" isDisabled={name.trim() === '' || isTaken} onClose={onClose} />
    </Dialog>
  )
}
