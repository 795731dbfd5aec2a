/** Keys of the desk. By the place of the key, not its letter, so that an input method does not get in the way. */
import { onScopeDispose, shallowReactive } from 'vue'

export interface Shortcut {
  /** As `KeyboardEvent.code`. */
  code: string
  shift?: boolean
  ctrl?: boolean
  /** How it is written. */
  keys: string
  /** Key of its name in the texts. */
  name: string
  run: () => void
}

const known = shallowReactive(new Map<string, Shortcut>())

const idOf = (code: string, shift: boolean, ctrl: boolean): string => `${ctrl ? 'c' : 'a'}${shift ? 's' : ''}-${code}`

/** These keys work while the component that asked is there. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const ids = shortcuts.map((one) => idOf(one.code, one.shift ?? false, one.ctrl ?? false))
  ids.forEach((id, place) => known.set(id, shortcuts[place] as Shortcut))
  onScopeDispose(() => ids.forEach((id, place) => known.get(id) === shortcuts[place] && known.delete(id)))
}

/** All that work now, for the overlay. */
export function allShortcuts(): readonly Shortcut[] {
  return [...known.values()]
}

/** Run what is meant; a dialog that is open has the keys for itself. */
export function onKey(event: KeyboardEvent): void {
  if (!(event.altKey !== event.ctrlKey) || event.metaKey || event.isComposing) return
  const shortcut = known.get(idOf(event.code, event.shiftKey, event.ctrlKey))
  if (shortcut === undefined || dialogIsOpen()) return
  event.preventDefault()
  shortcut.run()
}

/** Closed dialogs may stay in the page, unseen. */
function dialogIsOpen(): boolean {
  return [...document.querySelectorAll('[aria-modal="true"]')].some((one) => one.getClientRects().length > 0)
}
