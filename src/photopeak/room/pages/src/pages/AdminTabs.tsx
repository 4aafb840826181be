const TABS: [string, string][] = [['/admin', 'Accounts, archives, trail'], ['/admin/planned', 'Planned examinations'], ['/admin/patients', 'Patients']]

/** The administrator's pages, beside each other. */
export function AdminTabs({ at }: { at: string }) {
  return (
    <nav class="tabs" aria-label="Administration">
      {TABS.map(([href, name]) => <a key={href} href={href} aria-current={href === at ? 'page' : undefined}>{name}</a>)}
    </nav>
  )
}
