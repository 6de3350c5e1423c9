history.replaceState(null, "", location.origin + location.pathname)
addEventListener("pageshow", event => { if (event.persisted) { document.body.remove(); location.reload() } })
