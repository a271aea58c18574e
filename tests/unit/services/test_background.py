"""Background tasks at stop: what works is let finish, what only waits is not waited for."""

import asyncio

from sitecontroller.services.background import Background


def test_a_patient_task_does_not_hold_up_the_stop(run):
    async def story():
        background, done = Background(), []

        async def work():
            await asyncio.sleep(0.05)
            done.append("worked")

        waiting = background.spawn(asyncio.sleep(3600), "waits", patient=True)
        background.spawn(work(), "works")
        await asyncio.wait_for(background.close(within_s=5), 2)
        assert waiting.cancelled()
        assert done == ["worked"]

    run(story())
