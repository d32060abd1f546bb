// Shows a notification and leads on from it; imported by the worker that the shop's site serves.
self.addEventListener("push", (event) => {
  const said = event.data ? event.data.json() : {};
  if (!said.title) return;
  event.waitUntil(
    self.registration.showNotification(said.title, {
      body: said.body,
      icon: said.icon || undefined,
      tag: said.tag,
      data: { url: said.url },
    }),
  );
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = event.notification.data && event.notification.data.url;
  if (url) event.waitUntil(self.clients.openWindow(url));
});
