// Addresses: a page a path, back and forward as a browser has them.

import { useEffect, useState } from 'preact/hooks'

export function go(path: string, replace = false) {
  if (replace) history.replaceState(null, '', path)
  else history.pushState(null, '', path)
  window.dispatchEvent(new PopStateEvent('popstate'))
}

export function useAddress(): URL {
  const [address, setAddress] = useState(() => new URL(location.href))
  useEffect(() => {
    const changed = () => setAddress(new URL(location.href))
    window.addEventListener('popstate', changed)
    return () => window.removeEventListener('popstate', changed)
  }, [])
  return address
}

/** A click on one of our own links changes the page without loading it anew. */
export function follow(e: MouseEvent) {
  const link = (e.target as Element).closest('a')
  if (!link || e.button || e.ctrlKey || e.metaKey || e.shiftKey || link.target || link.hasAttribute('download')) return
  const url = new URL(link.href, location.href)
  if (url.origin !== location.origin || url.pathname.startsWith('/api/')) return
  e.preventDefault()
  go(url.pathname + url.search)
}
