"""What takes the place of `pro_tes.tasks.track_task_progress`; docs/integrations/protes.md."""
