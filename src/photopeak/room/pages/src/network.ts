// What the network says of a study, once it is asked for: its lesions on the image, and what its answers rest on.

import { useCallback, useEffect, useState } from 'preact/hooks'
import { type Explanation, type Network, get } from './api'
import type { useDraft } from './draft'
import { coloured, heat } from './viewer/planes'

/** What the network says, once it is asked for. */
export function useNetwork(study: number, cohort: number, draft: ReturnType<typeof useDraft>) {
  const [data, setData] = useState<Network | null>(null)
  const [shown, setShown] = useState(false)
  const [opacity, setOpacity] = useState(0)
  const [fault, setFault] = useState('')
  const toggle = useCallback(async () => {
    if (shown) return setShown(false)
    try {
      await draft.begin()
      const said = await get<Network>(`/api/studies/${study}/network${cohort ? `?cohort=${cohort}` : ''}`)
      setData(said)
      setShown(true)
      setFault('')
      draft.adopt(said)
    } catch (e) {
      setFault((e as Error).message)
    }
  }, [study, cohort, shown, draft])
  useEffect(() => {
    if (localStorage.getItem('network first') === 'yes' && draft.loaded && !cohort && !shown && !data) void toggle()
  }, [draft.loaded])
  const [why, setWhy] = useState<Why | null>(null)
  const explain = useCallback(async (image: string, question: string) => {
    if (why && why.image === image && why.question === question) return setWhy(null)
    setWhy({ image, question, said: null })
    try {
      const said = await get<Explanation>(`/api/studies/${study}/explanation?image=${image}&question=${question}`)
      // Whoever asked for another one meanwhile waits for that.
      setWhy((now) => (now && now.image === image && now.question === question ? { image, question, said } : now))
      setOpacity((o) => o || 0.7)
      setFault('')
    } catch (e) {
      setWhy(null)
      setFault((e as Error).message)
    }
  }, [study, why])
  useEffect(() => setWhy(null), [study, shown])
  return { data, shown, opacity, setOpacity, toggle, fault, why, explain }
}

/** An answer that somebody asked the reasons of; they are being computed while nothing is said. */
export interface Why { image: string; question: string; said: Explanation | null }

const HEAT: Record<string, [number, number, number]> = { metastasis: [225, 70, 20], arthritis: [20, 110, 200], for: [235, 120, 20], against: [20, 120, 210] }
type Overlays = Record<string, Record<string, { image: ImageBitmap; colour: string }[]>>

/** The network's lesion maps on each view; instead of them, on an image whose answer is explained, the explanation. */
export function useOverlays(study: number, data: Network | null, shown: boolean, why: Why | null) {
  const [made, setMade] = useState<Overlays>({})
  useEffect(() => {
    if (!data || !shown) return setMade({})
    let current = true
    const lesions = data.documents.filter((d) => !(why?.said && d.image === why.image)).flatMap((d) => Object.entries(d.maps ?? {}).map(async ([name, sha256]) => overlay(d.image, name, (colour) => heat(study, sha256, colour))))
    const reasons = Object.entries(why?.said?.maps ?? {}).map(async ([name, png]) => overlay(why!.image, name, (colour) => coloured(blobOf(png), colour)))
    Promise.all([...lesions, ...reasons]).then((all) => {
      if (!current) return
      const by: Overlays = {}
      for (const { of, view, kind, image } of all) ((by[of] ??= {})[view] ??= []).push({ image, colour: kind })
      setMade(by)
    }, () => current && setMade({}))
    return () => {
      current = false
    }
  }, [data, shown, why?.said])
  return made
}

async function overlay(of: string, name: string, make: (colour: [number, number, number]) => Promise<ImageBitmap>) {
  const [view = '', kind = ''] = name.split('/')
  return { of, view, kind, image: await make(HEAT[kind] ?? [120, 0, 120]) }
}

function blobOf(base64: string): Blob {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
  return new Blob([bytes], { type: 'image/png' })
}
